// Package northbound turns the words of the virtual network into rows of OVN's
// northbound database, owner by owner. It is the only writer of that database
// and the only importer of its client.
package northbound
