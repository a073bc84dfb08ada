package power

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hawser/test/vm"
)

// patience is how long a life may take: the machine is slow, and the one that
// emulates it may be busy.
const patience = 3 * time.Minute

func TestMain(m *testing.M) {
	given, inside := os.LookupEnv(lifeVariable)
	if !inside {
		os.Exit(m.Run())
	}
	var l life
	err := json.Unmarshal([]byte(given), &l)
	if err == nil {
		err = l.live()
	}
	fmt.Println(err)
	os.Exit(1)
}

// TestPowerCuts: whenever the power is cut, the host has its network when it is back,
// before anything of ours has run; then what was begun is brought to its end, and what
// is given back is as it was. The names are exchanged, which has all steps that there
// are.
func TestPowerCuts(t *testing.T) {
	m := newMachine(t)
	for _, back := range []bool{false, true} {
		cuts := 1
		for !m.lives(life{Back: back, Place: cuts}) {
			cuts++
		}
		if cuts < 10 {
			t.Errorf("the power was cut %d times: there are more steps", cuts)
		}
	}
	m.lives(life{Place: 1}) // finds what the last cut left
}

// machine is a host by its disk.
type machine struct {
	t     *testing.T
	input vm.Input
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{t: t, input: vm.Input{Files: map[string]string{"tests": program}, State: filepath.Join(t.TempDir(), "state.img")}}
	if err := vm.MakeState(t.Context(), m.input.State); err != nil {
		t.Fatal(err)
	}
	for _, script := range []string{"daemons.sh", "start-ovs.sh"} {
		m.input.Files[script] = filepath.Join("../../../images/ovn", script)
	}
	return m
}

// lives boots the host and cuts its power where it says so, and tells whether there
// was nothing left to do.
func (m *machine) lives(l life) (whole bool) {
	m.t.Helper()
	text, err := json.Marshal(l)
	if err != nil {
		m.t.Fatal(err)
	}
	ctx, cut := context.WithTimeout(m.t.Context(), patience)
	defer cut()
	begun, heard := time.Now(), &listener{cut: cut}
	input := m.input
	input.Script, input.Output = fmt.Sprintf("export %s='%s' PATH=/in:$PATH\nexec /in/tests\n", lifeVariable, text), heard
	if _, err := vm.Run(ctx, input); !errors.Is(err, vm.ErrMachine) || heard.last == "" {
		m.t.Fatalf("%s: %v\n%s", text, err, &heard.said)
	}
	m.t.Logf("%s lived %v; power off at: %s", text, time.Since(begun).Round(time.Second), heard.last)
	return heard.last == nothingLeft
}

// listener hears what a life prints, and when its power is to be cut.
type listener struct {
	cut  func()
	said bytes.Buffer
	last string
}

func (l *listener) Write(text []byte) (int, error) {
	n, err := l.said.Write(text)
	if _, after, found := strings.Cut(l.said.String(), powerOff); found && l.last == "" {
		if line, _, whole := strings.Cut(after, "\n"); whole {
			l.last = line
			l.cut()
		}
	}
	return n, err
}
