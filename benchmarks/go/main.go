// Command bench puts load on the service, or on its stores directly (the floors), and delays a TCP connection.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) == 1 && arguments[0] == "load" {
		return runJob(os.Stdin, os.Stdout)
	}
	if len(arguments) == 4 && arguments[0] == "forward" {
		// forward LISTENING-PORT PORT MILLISECONDS-PER-DIRECTION
		milliseconds, err := strconv.ParseFloat(arguments[3], 64)
		if err != nil {
			return err
		}
		return forward(arguments[1], arguments[2], time.Duration(milliseconds*float64(time.Millisecond)))
	}
	return fmt.Errorf("usage: bench load, or bench forward LISTENING-PORT PORT MILLISECONDS")
}
