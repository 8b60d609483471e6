// Package alert tells people when events add up to something.
//
// A rule says which events count (a CEL expression over their fields), how many
// of them within which time are too many, and by what they are grouped. The
// engine is given each event once, after the audit log has it, and promises: an
// alert is raised at the first event above the threshold and not before; it is
// one alert until its group has been quiet for a while; what is to be told to a
// sink is in the store before anything is sent, so that a crash loses no alert
// and a sink that is away delays neither the others nor the intake. What a sink
// does not take in the end is a dead letter, and is told as an event.
//
// Windows are exact by the events' own times and bounded in memory. A sink may
// get an alert twice, never not at all. The package does not decide who is
// attacked or what to do: it counts.
package alert
