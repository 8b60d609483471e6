// Package privacy carries out people's rights (GDPR Art. 7 and 15 to 22) and
// keeps what a controller has to show for itself: the ledger of consents,
// requests with their clocks, records of processing (Art. 30), and the register
// of breaches (Art. 33, 34).
//
// It promises: what was recorded is told by an event that is in the audit log
// sooner or later, whatever is killed in between; a request ends in the same
// state however often it was interrupted; an erasure has reached every other
// system, and was read back there, before Gatehouse forgets who the person is;
// deadlines are counted on the safe side and warned of in time; and what people
// wrote, and how systems know them, is readable only under their own key.
//
// It does not judge: whether a request may be refused, or a breach is a risk, is
// for people, and is written down with their reasons. It does not know the other
// systems: connectors do (control/privacy/connector).
package privacy
