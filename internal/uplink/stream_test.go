package uplink

import (
	"bytes"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"hawser/test/netnstest"
)

// stream sends bytes by TCP from one namespace to another, nil being the test's
// own, and fails if other bytes arrive.
func stream(t *testing.T, from, to *netnstest.Namespace, at string, size int) time.Duration {
	t.Helper()
	var listener net.Listener
	var sender net.Conn
	in(to, func() (err error) {
		listener, err = net.Listen("tcp4", at+":0")
		return err
	})
	defer listener.Close()
	chunk := bytes.Repeat([]byte("0123456789abcdef"), 4096)
	done := make(chan bool)
	go func() {
		receiver, err := listener.Accept()
		if err != nil {
			done <- false
			return
		}
		defer receiver.Close()
		done <- compare(receiver, chunk, size)
	}()
	start := time.Now()
	in(from, func() (err error) {
		sender, err = net.DialTimeout("tcp4", listener.Addr().String(), 10*time.Second)
		return err
	})
	sender.SetDeadline(time.Now().Add(60 * time.Second))
	for sent := 0; sent < size; sent += len(chunk) {
		if _, err := sender.Write(chunk); err != nil {
			t.Fatalf("after %d bytes: %v", sent, err)
		}
	}
	sender.Close()
	if !<-done {
		t.Error("other bytes arrived than were sent")
	}
	return time.Since(start)
}

func compare(from io.Reader, chunk []byte, size int) bool {
	got := make([]byte, len(chunk))
	for range size / len(chunk) {
		if _, err := io.ReadFull(from, got); err != nil || !bytes.Equal(got, chunk) {
			return false
		}
	}
	return true
}

// in runs f in a namespace.
func in(ns *netnstest.Namespace, f func() error) {
	if ns != nil {
		ns.Do(f)
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := f(); err != nil {
		panic(err)
	}
}
