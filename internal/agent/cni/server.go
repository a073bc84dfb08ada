package cni

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"hawser/internal/cniwire"
	"hawser/internal/nodeplan/attachment"
)

// parting is how long running calls may take once the agent has to stop. Their
// waits end at once; what is left is milliseconds of kernel work.
const parting = 3 * time.Second

// Server answers the CNI plugin. It is a manager's Runnable.
type Server struct {
	attacher
	detacher
	cfg     Config
	metrics *instruments
}

// New makes a server; Start runs it.
func New(cfg Config) *Server {
	if cfg.AddressWait == 0 {
		cfg.AddressWait = defaultWait
	}
	if cfg.InstallWait == 0 {
		cfg.InstallWait = defaultWait
	}
	turns, metrics := &turns{}, newInstruments(cfg.Metrics)
	return &Server{
		attacher: attacher{cfg: cfg, pods: newPodWatch(cfg.Pods), turns: turns, metrics: metrics},
		detacher: detacher{cfg: cfg, turns: turns},
		cfg:      cfg, metrics: metrics,
	}
}

// NeedLeaderElection tells the manager that every node runs its own.
func (s *Server) NeedLeaderElection() bool { return false }

// Start serves until ctx ends. It does so before the pods are known: what can be
// answered without the API server is.
func (s *Server) Start(ctx context.Context) error {
	logger := log.FromContext(ctx).WithName("cni")
	ctx = log.IntoContext(ctx, logger)
	if err := s.pods.listen(ctx); err != nil {
		return fmt.Errorf("watching the pods of this node: %w", err)
	}
	socket, err := listen(s.cfg.Socket)
	if err != nil {
		return fmt.Errorf("listening for the CNI plugin: %w", err)
	}
	go s.sweep(ctx)
	return serve(ctx, socket, s.handler())
}

// serve returns once running calls have ended.
func serve(ctx context.Context, socket net.Listener, handler http.Handler) error {
	server := http.Server{
		Handler:           handler,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: parting,
	}
	over := make(chan error, 1)
	go func() {
		<-ctx.Done()
		last, cancel := context.WithTimeout(context.Background(), parting)
		defer cancel()
		over <- server.Shutdown(last)
	}()
	if err := server.Serve(socket); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving the CNI plugin: %w", err)
	}
	return <-over
}

// listen takes the place of a socket that an earlier agent left. It is left
// behind in turn: removing it could hit the socket of the next agent.
func listen(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	socket, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	socket.SetUnlinkOnClose(false)
	return socket, os.Chmod(path, 0o600)
}

// verb is one of CNI's; only ADD has a result.
type verb func(context.Context, cniwire.Request) (*cniwire.Result, error)

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	for name, run := range map[cniwire.Verb]verb{
		cniwire.Add: s.add, cniwire.Check: s.check, cniwire.Del: s.del, cniwire.GC: s.gc, cniwire.Status: s.status,
	} {
		mux.HandleFunc("POST "+cniwire.Path(name), s.answer(name, run))
	}
	return mux
}

func (s *Server) answer(name cniwire.Verb, run verb) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var response cniwire.Response
		var call cniwire.Request
		err := json.NewDecoder(r.Body).Decode(&call)
		if err == nil {
			response.Result, err = run(r.Context(), call)
		}
		response.Error = shown(name, call, err)
		s.metrics.answered(name, response.Error)
		if response.Error != nil {
			logFailure(r.Context(), name, call, response.Error)
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(response) // a plugin that went away cannot be told
	}
}

// shown gives an error the code that tells the runtime what to do, and a message
// that says whose call it was. Most failures pass: the runtime tries again.
func shown(name cniwire.Verb, call cniwire.Request, err error) *cniwire.Error {
	if err == nil {
		return nil
	}
	var told *cniwire.Error
	if errors.As(err, &told) {
		return told
	}
	message := fmt.Sprintf("%s failed", name)
	if call.Pod.Name != "" {
		message = fmt.Sprintf("%s of pod %s failed", name, call.Pod)
	}
	return &cniwire.Error{Code: cniwire.CodeTryAgainLater, Message: message, Details: err.Error()}
}

func logFailure(ctx context.Context, name cniwire.Verb, call cniwire.Request, told *cniwire.Error) {
	logger(ctx, call).Info("call of the CNI plugin failed", "verb", name, "code", told.Code, "error", told.Error())
}

func logger(ctx context.Context, call cniwire.Request) logr.Logger {
	return log.FromContext(ctx).WithValues("pod", call.Pod.String(), "container", call.ContainerID, "port", attachment.HostLink(call.ContainerID))
}
