package cniclient

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"

	"hawser/internal/cniwire"
)

// agent answers every call with one text.
func agent(t *testing.T, answer http.HandlerFunc) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := http.Server{Handler: answer}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close() })
	return socket
}

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
}

func TestCall(t *testing.T) {
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	for name, c := range map[string]struct {
		ctx    context.Context
		verb   cniwire.Verb
		socket string
		code   cniwire.Code
		says   string
	}{
		"the agent's own error":  {t.Context(), cniwire.Add, agent(t, says(`{"error":{"code":11,"message":"subnet x is full"}}`)), cniwire.CodeTryAgainLater, "subnet x is full"},
		"no agent":               {t.Context(), cniwire.Add, "/nonexistent/s", cniwire.CodeTryAgainLater, "app=kube-ovn-cni"},
		"no agent for STATUS":    {t.Context(), cniwire.Status, "/nonexistent", cniwire.CodeNotAvailable, "/nonexistent"},
		"somebody else":          {t.Context(), cniwire.Add, agent(t, says(`404 page not found`)), cniwire.CodeTryAgainLater, "not one of ours"},
		"ADD without a result":   {t.Context(), cniwire.Add, agent(t, says(`{}`)), cniwire.CodeTryAgainLater, "no result"},
		"an agent that hangs":    {short, cniwire.Del, agent(t, func(http.ResponseWriter, *http.Request) { <-hang }), cniwire.CodeTryAgainLater, "did not answer within"},
		"an agent that dies":     {t.Context(), cniwire.Del, agent(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), cniwire.CodeTryAgainLater, "does not answer"},
		"a nonsensical deadline": {nil, cniwire.Del, "/nonexistent", cniwire.CodeTryAgainLater, "Context"},
	} {
		_, err := Call(c.ctx, cniwire.Call{Socket: c.socket, Verb: c.verb})
		var told *cniwire.Error
		if !errors.As(err, &told) || told.Code != c.code || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	result, err := Call(t.Context(), cniwire.Call{Socket: agent(t, says(`{"result":{"mac":"0a:00:00:00:00:01"}}`)), Verb: cniwire.Add})
	if err != nil || result.MAC != "0a:00:00:00:00:01" {
		t.Errorf("success: %+v (%v)", result, err)
	}
}

// TestWaitsForTheAgent: one that is replaced while a call comes is waited for, by
// an event; one that dies in the middle of a call is asked again.
func TestWaitsForTheAgent(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	var came time.Time
	serve := func(answer http.HandlerFunc) *http.Server {
		_ = os.Remove(socket)
		listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
		if err != nil {
			t.Error(err)
			return nil
		}
		listener.SetUnlinkOnClose(false)
		server := &http.Server{Handler: answer}
		go func() { _ = server.Serve(listener) }()
		came = time.Now()
		_ = os.Chmod(socket, 0o600)
		return server
	}
	add := cniwire.Call{Socket: socket, Verb: cniwire.Add}
	for _, before := range []string{"never was one", "one was stopped"} {
		started := make(chan *http.Server, 1)
		time.AfterFunc(100*time.Millisecond, func() { started <- serve(says(`{"result":{"mac":"0a:00:00:00:00:01"}}`)) })
		if _, err := Call(t.Context(), add); err != nil {
			t.Errorf("%s: %v", before, err)
		}
		server := <-started
		if took := time.Since(came); took > time.Second {
			t.Errorf("%s: noticed after %s", before, took)
		}
		server.Close() // leaves the socket's file, at which nobody listens
	}
	first := true
	server := serve(func(w http.ResponseWriter, r *http.Request) {
		if first {
			first = false
			panic(http.ErrAbortHandler)
		}
		says(`{"result":{}}`)(w, r)
	})
	defer server.Close()
	if _, err := Call(t.Context(), add); err != nil {
		t.Errorf("an agent that died once: %v", err)
	}
}

func TestDialGivesUp(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	began := time.Now()
	if _, err := dial(t.Context(), socket, 50*time.Millisecond); !nobodyListens(err) || time.Since(began) > 5*time.Second {
		t.Errorf("after %s: %v", time.Since(began), err)
	}
	if _, err := dial(t.Context(), "/nonexistent/s", time.Minute); err == nil || !strings.Contains(err.Error(), "/nonexistent") {
		t.Errorf("no folder: %v", err)
	}
}

func TestShown(t *testing.T) {
	if shown(nil) != nil {
		t.Error("no error is shown as one")
	}
	var told *types.Error
	if err := shown(errors.New("x")); !errors.As(err, &told) || told.Code != types.ErrTryAgainLater {
		t.Errorf("%v", err)
	}
	if err := shown(&cniwire.Error{Code: 7, Message: "m", Details: "d"}); !errors.As(err, &told) || told.Code != 7 || told.Details != "d" {
		t.Errorf("%v", err)
	}
}

func TestNoNamespace(t *testing.T) {
	err := Funcs().Add(&skel.CmdArgs{Netns: "/nonexistent"})
	var told *types.Error
	if !errors.As(err, &told) || told.Code != uint(cniwire.CodeInvalidEnvironment) {
		t.Errorf("%v", err)
	}
	if err := prepare("/dev/null"); err == nil || !strings.Contains(err.Error(), "/dev/null") {
		t.Errorf("%v", err)
	}
}

func TestAsCNI(t *testing.T) {
	result := cniwire.Result{
		HostLink: "c1_h", MAC: "0a:00:00:00:00:01", MTU: 1400,
		IPs:    []cniwire.IP{{Address: netip.MustParsePrefix("10.0.0.2/16"), Gateway: netip.MustParseAddr("10.0.0.1")}, {Address: netip.MustParsePrefix("fd00::2/64")}},
		Routes: []cniwire.Route{{To: netip.MustParsePrefix("::/0"), Via: netip.MustParseAddr("fd00::1")}},
	}
	got := asCNI(result, &skel.CmdArgs{IfName: "eth0", Netns: "/n"})
	if got.Interfaces[0].Name != "c1_h" || got.Interfaces[1].Name != "eth0" || got.Interfaces[1].Sandbox != "/n" || got.Interfaces[1].Mtu != 1400 {
		t.Errorf("interfaces: %v", got.Interfaces)
	}
	if got.IPs[0].Address.String() != "10.0.0.2/16" || *got.IPs[0].Interface != 1 || got.IPs[0].Gateway.String() != "10.0.0.1" || got.IPs[1].Gateway != nil {
		t.Errorf("addresses: %v", got.IPs)
	}
	if got.Routes[0].Dst.String() != "::/0" || got.Routes[0].GW.String() != "fd00::1" {
		t.Errorf("routes: %v", got.Routes)
	}
}
