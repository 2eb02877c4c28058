package main

import (
	"encoding/hex"
	"fmt"
	"reflect"

	"github.com/beego/beego/v2/server/web/session"
)

// content is what a session holds.
type content = map[any]any

// encode tells the "hex" of the stream that beego makes of a session with these "values", a list of [key, value].
func encode(asked *request) (answer, error) {
	values, err := contentOf(asked.Values)
	if err != nil {
		return nil, err
	}
	data, err := session.EncodeGob(values)
	return answer{"hex": hex.EncodeToString(data)}, err
}

// decode tells the "value" that beego reads from the stream in "hex".
func decode(asked *request) (answer, error) {
	_, value, err := decoded(asked.Hex)
	return answer{"value": value}, err
}

// through decodes, and tells the "value" and the "hex" of the stream that beego then makes of it.
func through(asked *request) (answer, error) {
	values, value, err := decoded(asked.Hex)
	if err != nil {
		return nil, err
	}
	data, err := session.EncodeGob(values)
	return answer{"value": value, "hex": hex.EncodeToString(data)}, err
}

// registerTypes makes the "types", as Go spells them, known to gob, as an application does when it starts.
func registerTypes(asked *request) (answer, error) {
	return answer{}, registerSpelled(asked.Types)
}

func registerSpelled(spellings []string) error {
	for _, text := range spellings {
		t, err := typeOf(text)
		if err != nil {
			return err
		}
		if err := register(t); err != nil {
			return err
		}
	}
	return nil
}

func decoded(text string) (content, node, error) {
	data, err := hex.DecodeString(text)
	if err != nil {
		return nil, nil, err
	}
	values, err := session.DecodeGob(data)
	if err != nil {
		return nil, nil, err
	}
	value, err := describe(reflect.ValueOf(values))
	return values, value, err
}

// contentOf returns the session that these pairs make.
func contentOf(pairs [][]tagged) (content, error) {
	values := content{}
	for _, pair := range pairs {
		if len(pair) != 2 {
			return nil, fmt.Errorf("a pair of %d", len(pair))
		}
		both, err := valuesOf(pair)
		if err != nil {
			return nil, err
		}
		values[both[0]] = both[1]
	}
	return values, nil
}
