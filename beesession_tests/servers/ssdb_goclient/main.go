// Command ssdbgoclient asks an SSDB server through the Go client that beego uses.
//
// It reads one JSON array of strings per line, each of them a command and its arguments, and writes the reply of each
// as a JSON array of strings, on a line of its own.
//
//	ssdbgoclient HOST PORT
package main

import (
	"bufio"
	"encoding/json"
	"log"
	"os"
	"strconv"

	"github.com/ssdb/gossdb/ssdb"
)

func main() {
	log.SetFlags(0)
	port, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	client, err := ssdb.Connect(os.Args[1], port)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	answers := json.NewEncoder(os.Stdout)
	requests := bufio.NewScanner(os.Stdin)
	requests.Buffer(nil, 8<<20)
	for requests.Scan() {
		var words []string
		if err := json.Unmarshal(requests.Bytes(), &words); err != nil {
			log.Fatal(err)
		}
		command := make([]interface{}, len(words))
		for i, word := range words {
			command[i] = word
		}
		reply, err := client.Do(command...)
		if err != nil {
			log.Fatal(err)
		}
		if err := answers.Encode(reply); err != nil {
			log.Fatal(err)
		}
	}
	if err := requests.Err(); err != nil {
		log.Fatal(err)
	}
}
