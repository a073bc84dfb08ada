package vm

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// inside is set where a test binary runs in the machine.
const inside = "HAWSER_VM"

// Main is the whole TestMain of a package whose tests need the machine: it
// boots one, runs the very same test binary there with the same flags, and hands
// on what it prints and its exit code. So `go test -run X` works for them as for
// any other test, and all tests of a package share one boot.
//
// prepare says what else the tests need there; it runs outside only.
func Main(m *testing.M, prepare func(ctx context.Context, in *Input) error) int {
	if os.Getenv(inside) != "" {
		return m.Run()
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if limit := timeout(os.Args[1:]); limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit+grace)
		defer cancel()
	}
	code, err := boot(ctx, prepare)
	if err != nil {
		fmt.Fprintln(os.Stderr, "vm:", err)
		return 1
	}
	return code
}

func boot(ctx context.Context, prepare func(ctx context.Context, in *Input) error) (int, error) {
	program, err := os.Executable()
	if err != nil {
		return 0, err
	}
	in := Input{Files: map[string]string{}, Output: os.Stdout, Out: os.Getenv("HAWSER_VM_OUT")}
	defer func() {
		for _, done := range slices.Backward(in.atEnd) {
			done()
		}
	}()
	if err := prepare(ctx, &in); err != nil {
		return 0, fmt.Errorf("prepare the tests' files: %w", err)
	}
	in.Files["tests"] = program
	in.Script += fmt.Sprintf("export %s=1 PATH=/in:$PATH\nexec /in/tests %s\n", inside, quote(flags(os.Args[1:])))
	return Run(ctx, in)
}

// grace is what a run may take beyond the tests' own time: longer than a boot,
// shorter than `go test` waits before it kills (a minute).
const grace = 45 * time.Second

// timeout is the flag of that name; 0 is none.
func timeout(args []string) time.Duration {
	for _, arg := range args {
		if text, ok := strings.CutPrefix(arg, "-test.timeout="); ok {
			limit, _ := time.ParseDuration(text)
			return limit
		}
	}
	return 0
}

// kept are the flags of a test binary that mean something in the machine; the
// others name files of this one.
var kept = []string{"v", "run", "skip", "count", "timeout", "failfast", "short", "bench", "benchtime", "list", "paniconexit0"}

func flags(args []string) []string {
	return slices.DeleteFunc(slices.Clone(args), func(arg string) bool {
		name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		return !slices.Contains(kept, strings.TrimPrefix(name, "test."))
	})
}

// quote writes arguments for a shell.
func quote(args []string) string {
	var out []string
	for _, arg := range args {
		out = append(out, "'"+strings.ReplaceAll(arg, "'", `'\''`)+"'")
	}
	return strings.Join(out, " ")
}
