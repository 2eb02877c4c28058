package main

import (
	"encoding/json"
	"reflect"
)

// tagged is a node that was sent to us; a plain string stands for a Go string.
type tagged struct {
	Type     string          `json:"t"`
	Value    json.RawMessage `json:"v"`
	Hex      *string         `json:"hex"`
	Repeated []any           `json:"rep"`
	Bits     string          `json:"bits"`
	Real     string          `json:"re"`
	Imag     string          `json:"im"`
	Pointer  *tagged         `json:"ptr"`
	Nil      bool            `json:"nil"`
	GobBytes *string         `json:"gobbytes"`
}

// UnmarshalJSON reads a node, or a plain string.
func (n *tagged) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		*n = tagged{Type: "string", Value: append(json.RawMessage(nil), data...)}
		return nil
	}
	type plain tagged // without this method
	return json.Unmarshal(data, (*plain)(n))
}

// value returns the Go value that a node stands for; nil for a nil interface. The types without a name that it has in
// interfaces are registered.
func (n *tagged) value() (value any, err error) {
	err = fill(reflect.ValueOf(&value).Elem(), n)
	return value, err
}

// valuesOf returns the Go values of some nodes.
func valuesOf(nodes []tagged) ([]any, error) {
	values := make([]any, len(nodes))
	for i := range nodes {
		value, err := nodes[i].value()
		if err != nil {
			return nil, err
		}
		values[i] = value
	}
	return values, nil
}
