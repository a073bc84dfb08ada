package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// module is the name in go.mod, before every import path of ours.
const module = "hawser"

// root is the directory of go.mod, seen from this package.
const root = "../.."

// pkg is what `go list` says about a package.
type pkg struct {
	ImportPath   string
	Dir          string
	Name         string
	Standard     bool
	GoFiles      []string
	CgoFiles     []string
	TestGoFiles  []string
	XTestGoFiles []string
	Imports      []string
}

// path is the package's directory below the module, such as internal/ipam.
func (p pkg) path() string { return strings.TrimPrefix(p.ImportPath, module+"/") }

func (p pkg) ours() bool { return strings.HasPrefix(p.ImportPath, module+"/") }

// tree is every package of the module and all that they depend on, by import
// path.
var tree = sync.OnceValues(func() (map[string]pkg, error) {
	var stderr bytes.Buffer
	list := exec.Command("go", "list", "-e", "-deps", "-json=ImportPath,Dir,Name,Standard,GoFiles,CgoFiles,TestGoFiles,XTestGoFiles,Imports", "./...")
	list.Dir, list.Stderr = root, &stderr
	out, err := list.Output()
	if err != nil {
		return nil, errors.New(stderr.String())
	}
	packages := map[string]pkg{}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, err
		}
		packages[p.ImportPath] = p
	}
})

// load is the tree, and the packages of it that are ours.
func load(t *testing.T) (all map[string]pkg, ours []pkg) {
	t.Helper()
	all, err := tree()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for _, p := range all {
		if p.ours() {
			ours = append(ours, p)
		}
	}
	slices.SortFunc(ours, func(a, b pkg) int { return strings.Compare(a.ImportPath, b.ImportPath) })
	return all, ours
}

// generated finds the notice of generated code, which some write in two lines.
var generated = regexp.MustCompile(`\A(//.*\n|\s)*// Code generated .*\n?(// )?.*DO NOT EDIT`)

// source is a file written by hand.
type source struct {
	path  string
	lines int
	ast   *ast.File
	set   *token.FileSet
}

// span is how many lines a node takes.
func (s source) span(node ast.Node) int {
	return s.set.Position(node.End()).Line - s.set.Position(node.Pos()).Line + 1
}

// sources are the files of a package, without tests and generated ones.
func sources(t *testing.T, p pkg) []source {
	t.Helper()
	var found []source
	for _, name := range append(p.GoFiles, p.CgoFiles...) {
		path := filepath.Join(p.Dir, name)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if generated.Match(text) {
			continue
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, text, parser.SkipObjectResolution|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, source{filepath.Join(p.path(), name), bytes.Count(text, []byte("\n")), file, set})
	}
	return found
}
