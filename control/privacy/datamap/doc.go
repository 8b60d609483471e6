// Package datamap is what a controller knows of its own processing: which
// systems hold which data of people, why, on which ground, for how long, and
// what becomes of them when a person is to be forgotten.
//
// It promises types that cannot be changed once control/policy has compiled
// them, the words that such a map is written in, and what follows from a map
// alone: the record of processing (GDPR Art. 30) and what a person may take
// along (Art. 20). It does not know whether the map is true: connectors compare
// it with what is there. It judges no reason for keeping data, and asks for one.
package datamap
