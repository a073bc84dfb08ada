package machine

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// logDir is on disk: what a machine logged before a power cut can be read after.
const logDir = "/var/log/hawser"

// supervisor is stage 2: it keeps services running and reaps every orphan.
// Only reap waits for processes, since a first process must wait for all.
type supervisor struct {
	mu    sync.Mutex
	ended map[int]chan unix.WaitStatus
}

func runInit() int {
	var spec Spec
	content, err := os.ReadFile(specPath)
	if err == nil {
		err = json.Unmarshal(content, &spec)
	}
	if err == nil {
		err = os.MkdirAll(logDir, 0o755)
	}
	if err != nil {
		note("cannot start: %v", err)
		return 1
	}
	s := &supervisor{ended: map[int]chan unix.WaitStatus{}}
	children := make(chan os.Signal, 1)
	signal.Notify(children, unix.SIGCHLD)
	signal.Ignore(unix.SIGHUP, unix.SIGINT, unix.SIGTERM)
	for _, service := range spec.Services {
		go s.keep(service)
	}
	note("%s is up with %d services", spec.Name, len(spec.Services))
	for range children {
		s.reap()
	}
	return 0
}

func note(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().UTC().Format("15:04:05.000 ")+format+"\n", args...)
}

// keep starts a service when what it needs is there, and again when it ends.
func (s *supervisor) keep(service Service) {
	for {
		await(service.After)
		status, err := s.run(service)
		if err != nil {
			note("%s does not start: %v", service.Name, err)
		} else {
			note("%s ended: exit code %d, signal %d: starting it again", service.Name, status.ExitStatus(), status.Signal())
		}
		time.Sleep(restartDelay)
	}
}

// run starts the service and returns when it has ended.
func (s *supervisor) run(service Service) (unix.WaitStatus, error) {
	log, err := os.OpenFile(filepath.Join(logDir, service.Name+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return 0, err
	}
	ended, err := s.start(service, log)
	log.Close()
	if err != nil {
		return 0, err
	}
	return <-ended, nil
}

// start registers the process before reap can see its end.
func (s *supervisor) start(service Service, log *os.File) (<-chan unix.WaitStatus, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	path, err := exec.LookPath(service.Args[0])
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	process, err := os.StartProcess(path, service.Args, &os.ProcAttr{
		Dir: "/", Env: os.Environ(), Files: []*os.File{null, log, log},
		Sys: &unix.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return nil, err
	}
	ended := make(chan unix.WaitStatus, 1)
	s.ended[process.Pid] = ended
	return ended, process.Release()
}

// reap waits for every process that has ended: ours and orphans.
func (s *supervisor) reap() {
	for {
		var status unix.WaitStatus
		s.mu.Lock()
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
		ended, ours := s.ended[pid]
		delete(s.ended, pid)
		s.mu.Unlock()
		if err == unix.EINTR {
			continue
		}
		if pid <= 0 {
			return
		}
		if ours {
			ended <- status
		}
	}
}
