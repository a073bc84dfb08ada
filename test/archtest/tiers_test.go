package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// tiers are 1 and the shards of tier 2, as CONTRIBUTING.md explains them.
var tiers = []string{"1", "faults", "underlay", "families", "vm", "takeover", "conformance"}

// entry is a line of test/tiers.txt. The test * is every test of the package.
type entry struct{ dir, test, tier string }

func (e entry) covers(dir, test string) bool {
	return e.dir == dir && (e.test == test || e.test == "*")
}

func readTiers(t *testing.T) []entry {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "test/tiers.txt"))
	if err != nil {
		t.Fatal(err)
	}
	entries, err := parseTiers(string(text))
	if err != nil {
		t.Fatalf("test/tiers.txt: %v", err)
	}
	return entries
}

func parseTiers(text string) ([]entry, error) {
	var entries []entry
	for number, line := range strings.Split(text, "\n") {
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || strings.HasPrefix(words[0], "#"):
			continue
		case len(words) != 3:
			return nil, fmt.Errorf("line %d: want '<package-dir> <TestName> <tier>', have %q", number+1, line)
		case !slices.Contains(tiers, words[2]):
			return nil, fmt.Errorf("line %d: there is no tier %q, but %s", number+1, words[2], strings.Join(tiers, ", "))
		}
		entries = append(entries, entry{words[0], words[1], words[2]})
	}
	return entries, nil
}

// testsOf are the names of a package's tests.
func testsOf(t *testing.T, p pkg) []string {
	t.Helper()
	var names []string
	for _, name := range append(p.TestGoFiles, p.XTestGoFiles...) {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			if function, ok := decl.(*ast.FuncDecl); ok && isTest(function) {
				names = append(names, function.Name.Name)
			}
		}
	}
	return names
}

func isTest(function *ast.FuncDecl) bool {
	name := function.Name.Name
	return function.Recv == nil && strings.HasPrefix(name, "Test") && name != "TestMain" && len(function.Type.Params.List) == 1
}

// TestEveryTestHasTier keeps a test from being written and then run by nobody.
func TestEveryTestHasTier(t *testing.T) {
	_, ours := load(t)
	entries := readTiers(t)
	used := map[entry]bool{}
	for _, p := range ours {
		for _, test := range testsOf(t, p) {
			found := false
			for _, e := range entries {
				if e.covers(p.path(), test) {
					found, used[e] = true, true
				}
			}
			if !found {
				t.Errorf("%s %s stands in no tier: add a line to test/tiers.txt", p.path(), test)
			}
		}
	}
	for _, e := range entries {
		if !used[e] {
			t.Errorf("test/tiers.txt has '%s %s %s', but there is no such test: take the line out", e.dir, e.test, e.tier)
		}
	}
}

func TestParseTiers(t *testing.T) {
	entries, err := parseTiers("# why\n\ninternal/ipam * 1\ntest/e2e TestPowerCut faults\n")
	if want := []entry{{"internal/ipam", "*", "1"}, {"test/e2e", "TestPowerCut", "faults"}}; err != nil || !slices.Equal(entries, want) {
		t.Errorf("read as %v (%v)", entries, err)
	}
	for _, bad := range []string{"internal/ipam 1", "internal/ipam * 2"} {
		if _, err := parseTiers(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}
