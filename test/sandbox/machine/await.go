package machine

import (
	"crypto/tls"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// awaitEvery is how often a service's condition is tried: often enough that a
// boot does not feel it.
const awaitEvery = 50 * time.Millisecond

// await returns when the condition of a Service.After holds.
func await(condition string) {
	for condition != "" && !holds(condition) {
		time.Sleep(awaitEvery)
	}
}

func holds(condition string) bool {
	if strings.HasPrefix(condition, "https:") {
		return answers(condition)
	}
	network, address, _ := strings.Cut(condition, ":")
	if network == "file" {
		_, err := os.Stat(address)
		return err == nil
	}
	connection, err := net.DialTimeout(network, address, time.Second)
	if err != nil {
		return false
	}
	connection.Close()
	return true
}

// prober does not check certificates: it asks whether somebody is there, on
// the machine's own address.
var prober = http.Client{
	Timeout:   2 * time.Second,
	Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true},
}

func answers(url string) bool {
	response, err := prober.Get(url)
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.StatusCode == http.StatusOK
}
