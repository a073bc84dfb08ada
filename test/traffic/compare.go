package traffic

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"hawser/test/netnstest"
)

// Comparison is what two paths gave, turn by turn.
type Comparison struct{ First, Second []float64 }

// ByTurns measures two paths as often as told. Who begins changes with each turn,
// so that what grows worse does so for both.
func ByTurns(turns int, first, second Path, measure func(Path) (float64, error)) (c Comparison, err error) {
	for turn := range turns {
		each := []func() error{
			func() error { return note(&c.First, first, measure) },
			func() error { return note(&c.Second, second, measure) },
		}
		if turn%2 == 1 {
			slices.Reverse(each)
		}
		for _, one := range each {
			if err := one(); err != nil {
				return c, err
			}
		}
	}
	return c, nil
}

func note(into *[]float64, path Path, measure func(Path) (float64, error)) error {
	value, err := measure(path)
	*into = append(*into, value)
	return err
}

// Ratio is the median of what the second gave for each one of the first.
func (c Comparison) Ratio() float64 {
	ratios := make([]float64, 0, len(c.First))
	for turn, value := range c.First {
		ratios = append(ratios, c.Second[turn]/value)
	}
	return Median(ratios)
}

// String shows both medians and the ratio.
func (c Comparison) String() string {
	return fmt.Sprintf("%.3g and %.3g, ratio %.3f (%d turns)", Median(c.First), Median(c.Second), c.Ratio(), len(c.First))
}

// Median is the middle value, or the upper one of two.
func Median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// turns are many and a slice is short, so that what else the machine does hits
// either path now and then, and the median not at all.
const turns = 61

// Report compares two pods on their ways to a physical host, in both directions
// and by turns: one whose NIC is a plain port of its bridge, and one whose NIC is
// shared. What it reports is the second's measure for each one of the first.
func Report(b *testing.B, suffix string, slice time.Duration, plain, shared Path) {
	b.Helper()
	for _, one := range []struct {
		name          string
		plain, shared Path
		measure       func(Path) (float64, error)
	}{
		{"throughput-out", plain, shared, Gigabits(slice)},
		{"throughput-in", plain.Back(), shared.Back(), Gigabits(slice)},
		{"latency", plain, shared, Microseconds(slice)},
	} {
		c, err := ByTurns(turns, one.plain, one.shared, one.measure)
		if err != nil {
			b.Fatal(err)
		}
		b.Logf("%s%s, plain and shared: %v", one.name, suffix, c)
		b.ReportMetric(c.Ratio(), one.name+suffix+"-ratio")
	}
}

// Lost ends streams of pings, and reports how many of them were lost in all.
func Lost(b *testing.B, pings ...*netnstest.Pings) {
	b.Helper()
	lost := 0
	for _, stream := range pings {
		loss := stream.End()
		b.Log(loss)
		lost += loss.Lost
	}
	b.ReportMetric(float64(lost), "pings-lost")
}

// Gigabits measures throughput in Gb/s, for a while at a time.
func Gigabits(lasting time.Duration) func(Path) (float64, error) {
	return func(p Path) (float64, error) {
		rate, err := p.Throughput(lasting)
		return rate / 1e9, err
	}
}

// Microseconds measures round trips in µs, for a while at a time.
func Microseconds(lasting time.Duration) func(Path) (float64, error) {
	return func(p Path) (float64, error) {
		trip, err := p.RoundTrip(lasting)
		return float64(trip.Nanoseconds()) / 1e3, err
	}
}
