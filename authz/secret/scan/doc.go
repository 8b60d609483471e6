// Package scan finds secrets in text and in files with the default rules of
// gitleaks and those of Gatehouse's own secrets.
//
// It promises that a Scanner is safe for concurrent use, keeps nothing of what
// it has seen, writes nothing anywhere and reads no file that it is not given;
// that what it reports never holds the secret unless the caller reveals it; and
// that its work is bounded: text is looked at in pieces of bounded size.
//
// It does not promise that nothing is missed: rules know the forms of well-known
// secrets. One line takes some ten to a hundred microseconds, so nothing on a
// request's path may call it.
package scan
