// Package console is what a person sees of control in a browser.
//
// It promises: a page shows exactly what the API gives to the person who looks
// at it, because it asks the API with their cookie; every page works without
// JavaScript, which only adds events as they come; nothing of an event can
// become markup or script; and the pages obey the policy that Gatehouse sells:
// no inline script or style, nothing from elsewhere, framed by nobody.
//
// What changes something is a form of this origin, handed to the API with what the
// browser says about where it came from; a subject request is carried out only
// as the plan says that was read.
//
// It decides nothing itself and keeps nothing. Times are shown in UTC.
package console
