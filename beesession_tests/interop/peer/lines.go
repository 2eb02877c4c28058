package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// request is one line of input. Which of these an operation takes, it says itself.
type request struct {
	Op          string     `json:"op"`
	Values      [][]tagged `json:"values"`
	Keys        []tagged   `json:"keys"`
	Hex         string     `json:"hex"`
	N           int        `json:"n"`
	Types       []string   `json:"types"`
	Provider    string     `json:"provider"`
	Config      string     `json:"config"`
	MaxLifetime int64      `json:"maxlifetime"`
	Sid         string     `json:"sid"`
	NewSid      string     `json:"newsid"`
}

// answer is one line of output: "ok" is true, and then there is what the operation tells, or false, and then "error" is
// a text, and "panic" is true where it was a panic.
type answer = map[string]any

// operations are what a request may ask for, by name.
var operations = map[string]func(*request) (answer, error){
	"encode":     encode,
	"decode":     decode,
	"through":    through,
	"bench":      bench,
	"register":   registerTypes,
	"create":     write,
	"set":        write,
	"read":       read,
	"exist":      exist,
	"regenerate": regenerate,
	"destroy":    destroy,
	"count":      count,
	"gc":         collect,
}

// answerLines answers each line of input by one of output, until the input ends. No request ends it.
func answerLines(input io.Reader, output io.Writer) error {
	registerNamed()
	lines := bufio.NewReader(input)
	answers := json.NewEncoder(output)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := answers.Encode(answerLine(line)); err != nil {
			return err
		}
	}
}

func answerLine(line []byte) (told answer) {
	defer func() {
		if panicked := recover(); panicked != nil {
			told = answer{"ok": false, "error": fmt.Sprint(panicked), "panic": true}
		}
	}()
	var asked request
	if err := json.Unmarshal(line, &asked); err != nil {
		return failed(err)
	}
	operation, known := operations[asked.Op]
	if !known {
		return failed(fmt.Errorf("unknown op %q", asked.Op))
	}
	told, err := operation(&asked)
	if err != nil {
		return failed(err)
	}
	told["ok"] = true
	return told
}

func failed(err error) answer {
	return answer{"ok": false, "error": err.Error()}
}
