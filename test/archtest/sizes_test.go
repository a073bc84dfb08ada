package archtest

import (
	"go/ast"
	"maps"
	"slices"
	"strings"
	"testing"
)

// The limits of docs/architecture.md, "Sizes". Lines of generated code and of
// tests do not count.
const (
	fileLines    = 500
	packageLines = 2500
	mainLines    = 150
	typeMethods  = 15
	medianLines  = 15
)

// vague are package names that would take in anything.
var vague = []string{"util", "utils", "common", "helper", "helpers", "types", "manager", "misc", "base", "shared"}

func TestSizes(t *testing.T) {
	_, ours := load(t)
	for _, p := range ours {
		total, methods := 0, map[string]int{}
		for _, file := range sources(t, p) {
			total += file.lines
			if limit := fileLimit(p); file.lines > limit {
				t.Errorf("%s has %d lines, more than %d: split it by what it is about", file.path, file.lines, limit)
			}
			if !within(p.path(), []string{"test"}) {
				countMethods(file.ast, methods)
			}
		}
		if total > packageLines {
			t.Errorf("%s has %d lines, more than %d: find the package within it that has a name of its own", p.path(), total, packageLines)
		}
		for _, name := range slices.Sorted(maps.Keys(methods)) {
			if methods[name] > typeMethods {
				t.Errorf("%s.%s has %d methods, more than %d: it does several things", p.path(), name, methods[name], typeMethods)
			}
		}
	}
}

// TestMedianFunction holds what no limit on the longest can: that most are small.
func TestMedianFunction(t *testing.T) {
	_, ours := load(t)
	var spans []int
	for _, p := range ours {
		for _, file := range sources(t, p) {
			for _, decl := range file.ast.Decls {
				if function, ok := decl.(*ast.FuncDecl); ok {
					spans = append(spans, file.span(function))
				}
			}
		}
	}
	slices.Sort(spans)
	median := spans[len(spans)/2]
	t.Logf("%d functions, median %d lines, longest %d", len(spans), median, spans[len(spans)-1])
	if median > medianLines {
		t.Errorf("the median function has %d lines, more than %d", median, medianLines)
	}
}

// fileLimit is shorter for commands, which only wire.
func fileLimit(p pkg) int {
	if within(p.path(), []string{"cmd"}) {
		return mainLines
	}
	return fileLines
}

func countMethods(file *ast.File, methods map[string]int) {
	for _, decl := range file.Decls {
		function, ok := decl.(*ast.FuncDecl)
		if !ok || function.Recv == nil {
			continue
		}
		receiver := function.Recv.List[0].Type
		if pointer, ok := receiver.(*ast.StarExpr); ok {
			receiver = pointer.X
		}
		if generic, ok := receiver.(*ast.IndexExpr); ok {
			receiver = generic.X
		}
		if name, ok := receiver.(*ast.Ident); ok {
			methods[name.Name]++
		}
	}
}

func TestPackageNames(t *testing.T) {
	_, ours := load(t)
	for _, p := range ours {
		for element := range strings.SplitSeq(p.path(), "/") {
			if slices.Contains(vague, element) {
				t.Errorf("%s: %q says nothing about what is in it", p.path(), element)
			}
		}
	}
}

// TestPackageComments wants each package to say what it owns.
func TestPackageComments(t *testing.T) {
	_, ours := load(t)
	for _, p := range ours {
		files := sources(t, p)
		documented := slices.ContainsFunc(files, func(file source) bool { return file.ast.Doc != nil })
		if len(files) > 0 && !documented {
			t.Errorf("%s has no package comment: say what it owns and what it will not do", p.path())
		}
	}
}
