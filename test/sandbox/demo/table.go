package demo

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// table prints a line per path with a column per family.
func table(out io.Writer, families []int, results []result) error {
	lines := map[string]map[int]result{}
	var order []string
	for _, r := range results {
		if lines[r.what] == nil {
			lines[r.what] = map[int]result{}
			order = append(order, r.what)
		}
		lines[r.what][r.family] = r
	}
	writer := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprint(writer, "WHO → WHOM\tFROM\tTO")
	for _, family := range families {
		fmt.Fprintf(writer, "\tIPv%d", family)
	}
	fmt.Fprintln(writer)
	for _, what := range order {
		line := anyOf(lines[what])
		fmt.Fprintf(writer, "%s\t%s\t%s", what, line.from, line.to)
		for _, family := range families {
			fmt.Fprint(writer, "\t", cell(lines[what][family]))
		}
		fmt.Fprintln(writer)
	}
	return writer.Flush()
}

func anyOf(of map[int]result) result {
	for _, r := range of {
		return r
	}
	return result{}
}

// cell is "ok 1.2ms": from the first packet to the whole answer.
func cell(r result) string {
	switch {
	case r.tries == 0:
		return "–"
	case r.err != nil:
		return "FAILED"
	}
	words := "ok " + r.took.Round(100*time.Microsecond).String()
	if r.took < time.Millisecond { // dig counts no less
		words = "ok <1ms"
	}
	if r.tries > 1 {
		words += fmt.Sprintf(" (try %d)", r.tries)
	}
	return words
}
