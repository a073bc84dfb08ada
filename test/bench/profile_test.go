package bench

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// profiled is how long a profile is taken; a burst of 5,000 pods lasts longer.
const profiled = 45 * time.Second

// profile takes CPU profiles of the controller and the API server, if
// HAWSER_BENCH_PROFILE names a folder for them. The function that it returns
// waits until they are written.
func (l *lab) profile(ctx context.Context, what string) (wait func()) {
	dir := os.Getenv("HAWSER_BENCH_PROFILE")
	if dir == "" {
		return func() {}
	}
	var both sync.WaitGroup
	seconds := fmt.Sprint(int(profiled.Seconds()))
	save := func(name string, fetch func() ([]byte, error)) {
		both.Go(func() {
			text, err := fetch()
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, strings.ReplaceAll(what, "/", "-")+"."+name+".pprof"), text, 0o644)
			}
			if err != nil {
				l.b.Logf("no profile of %s: %v", name, err)
			}
		})
	}
	save("apiserver", func() ([]byte, error) {
		return l.client.Discovery().RESTClient().Get().AbsPath("/debug/pprof/profile").Param("seconds", seconds).DoRaw(ctx)
	})
	save("controller", func() ([]byte, error) {
		response, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/debug/pprof/profile?seconds=%s", controllerPort, seconds))
		if err != nil {
			return nil, err
		}
		defer response.Body.Close()
		return io.ReadAll(response.Body)
	})
	return both.Wait
}
