package demo

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestTook(t *testing.T) {
	for out, want := range map[string]time.Duration{
		"on-n1\ntook 0.001234": 1234 * time.Microsecond, // curl
		";; ANSWER\n;; Query time: 3 msec\n;; SERVER: 10.96.0.10#53": 3 * time.Millisecond, // dig
		"neither": 0,
	} {
		if got := took(out); got != want {
			t.Errorf("%q: %v, want %v", out, got, want)
		}
	}
}

func TestTable(t *testing.T) {
	results := []result{
		{probe: probe{what: "pod → DNS", from: "a", to: "dns", family: 4}, tries: 1, took: 1234 * time.Microsecond},
		{probe: probe{what: "pod → DNS", from: "a", to: "dns", family: 6}, tries: 3, err: errors.New("no route")},
		{probe: probe{what: "pod → API", from: "a", to: "api", family: 4}, tries: 2, took: time.Millisecond},
	}
	var out strings.Builder
	if err := table(&out, []int{4, 6}, results); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"ok 1.2ms", "FAILED", "ok 1ms (try 2)", "–"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
	if err := firstFailure(results); err == nil || !strings.Contains(err.Error(), "1 of 3 paths") || !strings.Contains(err.Error(), "no route") {
		t.Errorf("error: %v", err)
	}
	if err := firstFailure(results[:1]); err != nil {
		t.Error(err)
	}
}

// TestPodsStandOnAllNodes: one worker is enough for a scene, and three have
// pods of both tenants each.
func TestPodsStandOnAllNodes(t *testing.T) {
	if got := len(pods([]string{"n1"})); got != 3 {
		t.Errorf("one worker: %d pods", got)
	}
	if got := len(pods([]string{"n1", "n2", "n3"})); got != 7 {
		t.Errorf("three workers: %d pods", got)
	}
}
