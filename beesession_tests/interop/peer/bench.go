package main

import (
	"encoding/hex"
	"errors"
	"time"

	"github.com/beego/beego/v2/server/web/session"
)

// bench decodes the stream in "hex" "n" times, and encodes what it holds as often. It tells how many nanoseconds one
// "decode" and one "encode" took.
func bench(asked *request) (answer, error) {
	if asked.N < 1 {
		return nil, errors.New("n has to be 1 or more")
	}
	data, err := hex.DecodeString(asked.Hex)
	if err != nil {
		return nil, err
	}
	var values content
	decode, err := timed(asked.N, func() (err error) {
		values, err = session.DecodeGob(data)
		return err
	})
	if err != nil {
		return nil, err
	}
	encode, err := timed(asked.N, func() error {
		_, err := session.EncodeGob(values)
		return err
	})
	return answer{"decode": decode, "encode": encode}, err
}

// timed returns how many nanoseconds one of n calls took.
func timed(n int, call func() error) (float64, error) {
	began := time.Now()
	for range n {
		if err := call(); err != nil {
			return 0, err
		}
	}
	return float64(time.Since(began).Nanoseconds()) / float64(n), nil
}
