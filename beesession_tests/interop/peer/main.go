// The real beego, as a peer of our own in tests: what we call compatible is compatible with what this program does.
//
//	peer lines         answers requests, one JSON text a line: gob streams, and beego's session engines
//	peer web CONFFILE  runs a beego web application, configured by an app.conf
//
// Both write Go values in JSON as the vectors do: each with its Go type; see describe and fill.
package main

import (
	"fmt"
	"os"
)

func main() {
	err := fmt.Errorf("usage: peer lines | peer web CONFFILE")
	switch {
	case len(os.Args) == 2 && os.Args[1] == "lines":
		err = answerLines(os.Stdin, os.Stdout)
	case len(os.Args) == 3 && os.Args[1] == "web":
		err = runWeb(os.Args[2])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
