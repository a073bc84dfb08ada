package vm

import (
	"slices"
	"testing"
	"time"
)

func TestFlagsThatGoAlong(t *testing.T) {
	args := []string{"-test.testlogfile=/x", "-test.run=^TestA$", "-test.v=true", "-test.coverprofile=c", "-test.timeout=2m0s", "-test.gocoverdir=/y"}
	if have, want := flags(args), []string{"-test.run=^TestA$", "-test.v=true", "-test.timeout=2m0s"}; !slices.Equal(have, want) {
		t.Errorf("passes on %q", have)
	}
	if limit := timeout(args); limit != 2*time.Minute {
		t.Errorf("a run may take %v", limit)
	}
	if limit := timeout(nil); limit != 0 {
		t.Errorf("without a flag a run may take %v", limit)
	}
}

func TestQuote(t *testing.T) {
	if have, want := quote([]string{"-test.run=^(A|B)$", "it's"}), `'-test.run=^(A|B)$' 'it'\''s'`; have != want {
		t.Errorf("have %s, want %s", have, want)
	}
}
