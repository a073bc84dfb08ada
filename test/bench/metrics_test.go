package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var requestTotal = regexp.MustCompile(`^apiserver_request_total\{(.*)\} ([0-9.e+]+)$`)

// uncounted are resources whose writes are not an object's cost. The endpoints
// are the API server's own, which it writes every ten seconds.
var uncounted = []string{"leases", "events", "endpoints", "endpointslices"}

// writes counts the API server's writing requests so far, as "VERB resource".
func (l *lab) writes(ctx context.Context) (map[string]int, error) {
	body, err := l.client.Discovery().RESTClient().Get().AbsPath("/metrics").DoRaw(ctx)
	if err != nil {
		return nil, err
	}
	count := map[string]int{}
	lines := bufio.NewScanner(bytes.NewReader(body))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		match := requestTotal.FindStringSubmatch(lines.Text())
		if match == nil {
			continue
		}
		verb, resource := label(match[1], "verb"), label(match[1], "resource")
		if slices.Contains(uncounted, resource) || !strings.Contains(" POST PUT PATCH APPLY DELETE ", " "+verb+" ") {
			continue
		}
		value, _ := strconv.ParseFloat(match[2], 64)
		count[verb+" "+resource] += int(value)
	}
	return count, lines.Err()
}

// transactions counts the northbound transactions of the controller so far.
func (l *lab) transactions() int {
	response, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/metrics", controllerPort))
	l.must(err)
	defer response.Body.Close()
	sum := 0.0
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if name, value, _ := strings.Cut(lines.Text(), " "); strings.HasPrefix(name, "hawser_northbound_transactions_total{") {
			count, _ := strconv.ParseFloat(value, 64)
			sum += count
		}
	}
	return int(sum)
}

func label(labels, name string) string {
	_, rest, _ := strings.Cut(labels, name+`="`)
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

// increase subtracts an earlier count and gives the sum as well.
func increase(now, before map[string]int) (map[string]int, int) {
	by, sum := map[string]int{}, 0
	for key, n := range now {
		if d := n - before[key]; d > 0 {
			by[key] = d
			sum += d
		}
	}
	return by, sum
}
