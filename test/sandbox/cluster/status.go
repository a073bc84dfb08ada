package cluster

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
)

// Status prints a line per machine, and per LAN with who is on it, and fails
// when a machine is off.
func (c *Cluster) Status(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "MACHINE\tPOWER\tPID\tADDRESSES")
	var off []string
	for _, name := range c.Machines() {
		power, pid := "on", c.PID(name)
		if pid == 0 {
			power = "off"
			off = append(off, name)
		}
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\n", name, power, pid, strings.Join(c.shown(name), " "))
	}
	fmt.Fprintln(table, "\t\t\t\nLAN\tPORTS\t\t")
	for _, lan := range c.added.AllLANs() {
		fmt.Fprintf(table, "%s\t%s\t\t\n", lan, strings.Join(c.ports(lan), " "))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if len(off) > 0 {
		return fmt.Errorf("off: %s: run 'sandbox power on %s', or 'sandbox up'", strings.Join(off, " "), off[0])
	}
	return nil
}

// Logs lists the log files of all machines, or prints those of one machine, or
// of one service of it.
func (c *Cluster) Logs(out io.Writer, args []string) error {
	if len(args) == 0 {
		return c.eachLog("*", "*", func(path string) error {
			_, err := fmt.Fprintln(out, path)
			return err
		})
	}
	if err := c.known(args[0]); err != nil {
		return err
	}
	service := "*"
	if len(args) == 2 {
		service = args[1]
	}
	return c.eachLog(args[0], service, func(path string) error {
		if service == "*" {
			fmt.Fprintf(out, "==> %s <==\n", path)
		}
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		_, err = io.Copy(out, file)
		return err
	})
}

// eachLog visits the logs of machines' own services, and then those of init.
func (c *Cluster) eachLog(machine, service string, visit func(path string) error) error {
	found, err := filepath.Glob(filepath.Join(c.machineDir(machine), "disk/log/hawser", service+".log"))
	if err != nil {
		return err
	}
	first, err := filepath.Glob(filepath.Join(c.machineDir(machine), service+".log"))
	if err != nil {
		return err
	}
	found = append(found, first...)
	if len(found) == 0 {
		return fmt.Errorf("no log of that name: 'sandbox logs' lists all")
	}
	for _, path := range found {
		if err := visit(path); err != nil {
			return err
		}
	}
	return nil
}
