// Package leader tells which of OVN's databases and which northd lead on this
// machine, so that the pod they run in can carry it as labels and Services can
// select by them.
//
// It listens to the database servers, which say by themselves when leadership
// moves, and asks northd, which does not. It changes nothing in OVN and does
// not know Kubernetes: who owns the labels is handed in.
package leader
