package shared

import (
	"bytes"
	"encoding/gob"
	"fmt"

	"github.com/beego/beego/v2/server/web/session"
)

// Values is the data of a session, as beego has it.
type Values = map[interface{}]interface{}

// Decode reads what beego or Django has stored; nothing at all is an empty session.
func Decode(data []byte) (Values, error) {
	if len(data) == 0 {
		return Values{}, nil
	}
	values, err := session.DecodeGob(data)
	if err != nil {
		return nil, fmt.Errorf("beesession: the stored session cannot be decoded: %w", err)
	}
	if values == nil {
		values = Values{}
	}
	return values, nil
}

// Encode writes a session as beego does. As with beego, the types of the values themselves need not be registered.
func Encode(values Values) (data []byte, err error) {
	defer func() {
		// Of a nil pointer within a value, for example.
		if reason := recover(); reason != nil {
			err = fmt.Errorf("beesession: the session cannot be encoded: %v", reason)
		}
	}()
	for _, value := range values {
		register(value)
	}
	var buffer bytes.Buffer
	if err := gob.NewEncoder(&buffer).Encode(values); err != nil {
		return nil, fmt.Errorf("beesession: the session cannot be encoded: %w", err)
	}
	return buffer.Bytes(), nil
}

func register(value interface{}) {
	if value == nil {
		return
	}
	// An application may have registered the type under a name of its own, which is as good, and makes this panic.
	defer func() { _ = recover() }()
	gob.Register(value)
}

// normalise returns values as they come back from the store.
func normalise(values Values) (Values, error) {
	data, err := Encode(values)
	if err != nil {
		return nil, err
	}
	return Decode(data)
}
