// Package golden compares what a package says with files of the repository,
// which are read like documentation and reviewed like code. `go test -update`
// writes them anew; the commit that does so explains the difference.
//
// It knows nothing of what is compared: its users turn their values into text.
package golden

import (
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the golden files anew")

// orders is how often the inputs of a case are shuffled.
const orders = 10

// Case is what a package makes of one testdata/<case>/in.yaml.
type Case struct {
	// Text plans the inputs as they stand and gives the whole of it as text.
	Text func() string
	// Shuffle changes the order of those inputs that have none.
	Shuffle func(*rand.Rand)
}

// Run compares every testdata/<case>/in.yaml with the want.txt beside it, and
// with itself in other orders: the same inputs in any order, the same text.
func Run(t *testing.T, read func(t *testing.T, in string) Case) {
	t.Helper()
	cases, err := filepath.Glob("testdata/*/in.yaml")
	if err != nil || len(cases) == 0 {
		t.Fatalf("there is no testdata/*/in.yaml (%v)", err)
	}
	for _, in := range cases {
		dir := filepath.Dir(in)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			c := read(t, in)
			got := c.Text()
			Check(t, filepath.Join(dir, "want.txt"), got)
			for seed := range uint64(orders) {
				c.Shuffle(rand.New(rand.NewPCG(seed, 1)))
				if diff := cmp.Diff(got, c.Text()); diff != "" {
					t.Fatalf("the order of the inputs matters (seed %d):\n%s", seed, diff)
				}
			}
		})
	}
}

// Read reads a case's inputs into a document, and knows all of its fields.
func Read(t testing.TB, file string, document any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err == nil {
		err = yaml.UnmarshalStrict(text, document)
	}
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// Check compares a text with a file, which -update writes.
func Check(t testing.TB, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got), -update writes it anew:\n%s", file, diff)
	}
}

// Shuffle changes the order of a list.
func Shuffle[V any](random *rand.Rand, list []V) {
	random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
}
