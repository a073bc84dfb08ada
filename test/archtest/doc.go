// Package archtest holds the rules of docs/architecture.md that a linter for
// single files cannot: who may import whom, also through others; how long files
// and packages get; and that every test stands in a tier.
//
// It consists of tests only. A rule that it breaks is named in one line that
// says what to do.
package archtest
