// Package host holds the words in which the node agent speaks of a machine:
// links, addresses, routes, bridges and their ports. It is pure: it says what
// is or should be, and touches nothing.
package host
