// Package vsdb holds the rows of the local Open_vSwitch database, generated
// from vswitch.ovsschema. That schema is the one of Open vSwitch 3.5 pruned to
// the tables and columns in use: libovsdb refuses a server that lacks a column
// of the model, and a column that is not monitored (statistics above all) costs
// nothing. TestSchemaIsPartOfTheRealOne compares it with the real one.
package vsdb

//go:generate go tool modelgen -extended -p vsdb -o . vswitch.ovsschema
