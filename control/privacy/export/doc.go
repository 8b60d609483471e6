// Package export writes the answer to an access or portability request (GDPR
// Art. 15(3), 20(1)) as one file: a zip archive with the data as JSON and as CSV,
// a page to read for an access, and a manifest of all members that is signed
// (C2SP signed-note), so that anybody with the public key can see, years later,
// that this is what was handed over.
//
// It promises that little is held in memory however much there is, that what is
// put aside on disk meanwhile can be read by nobody else, not even afterwards,
// that names in the archive lead nowhere but below the folder it is unpacked
// into, that no text becomes a formula in a spreadsheet or a part of the page,
// and that an archive that broke off has no signature. The page has no scripts.
//
// It does not decide what goes in, and does not encrypt: whoever fetches the
// archive is asked who they are, and has it from then on.
package export
