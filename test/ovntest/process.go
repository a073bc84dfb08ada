package ovntest

import (
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// patience is how long a program may take to start on a busy machine.
const patience = 20 * time.Second

// process is a program in the background that tests stop, kill and start again.
type process struct {
	t       testing.TB
	name    string
	log     string               // file with its output
	command func() *exec.Cmd     // the same each time
	ready   func() (bool, error) // asked until it says yes
	running *exec.Cmd
}

func (p *process) start() {
	p.t.Helper()
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		p.t.Fatal(err)
	}
	defer out.Close()
	p.running = p.command()
	p.running.Stdout, p.running.Stderr = out, out
	if err := p.running.Start(); err != nil {
		p.t.Fatalf("%s does not start: %v", p.name, err)
	}
	p.await()
}

func (p *process) await() {
	p.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		up, err := p.ready()
		if up {
			return
		}
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(p.log)
			p.t.Fatalf("%s is not ready after %s: %v\n%s", p.name, patience, err, log)
		}
	}
}

func (p *process) signal(s syscall.Signal) {
	if p.running != nil {
		_ = p.running.Process.Signal(s)
	}
}

// kill is a kill -9; it returns once the process is gone.
func (p *process) kill() {
	if p.running == nil {
		return
	}
	_ = p.running.Process.Kill()
	_ = p.running.Wait()
	p.running = nil
}

// listening tells whether a Unix socket takes connections.
func listening(socket string) func() (bool, error) {
	return func() (bool, error) {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			return false, err
		}
		return true, conn.Close()
	}
}
