package main

import (
	"bytes"
	"encoding"
	"encoding/gob"
	"fmt"
	"math/big"
	"net/netip"
	"net/url"
	"reflect"
	"time"
)

// payload returns the bytes of a value whose type encodes itself in gob, by a method of it or of its pointer.
func payload(v reflect.Value) (data []byte, encodes bool, err error) {
	pointer := reflect.New(v.Type())
	pointer.Elem().Set(v)
	switch self := pointer.Interface().(type) {
	case gob.GobEncoder:
		data, err = self.GobEncode()
	case encoding.BinaryMarshaler:
		data, err = self.MarshalBinary()
	default:
		return nil, false, nil
	}
	return data, true, err
}

// setPayload sets a value from the bytes that its type has made.
func setPayload(v reflect.Value, data []byte) error {
	switch self := v.Addr().Interface().(type) {
	case gob.GobDecoder:
		return self.GobDecode(data)
	case encoding.BinaryUnmarshaler:
		return self.UnmarshalBinary(data)
	}
	return fmt.Errorf("%s does not decode itself", v.Type())
}

// readable returns the text of a value whose type encodes itself, for people to read.
func readable(v reflect.Value) string {
	switch self := v.Interface().(type) {
	case time.Time:
		return self.Format(time.RFC3339Nano)
	case big.Int:
		return self.String()
	case url.URL:
		return self.String()
	case netip.Addr:
		return self.String()
	case Enc:
		return self.s
	case Bin:
		return self.s
	}
	return fmt.Sprint(v.Interface())
}

// setReadable sets a value from such a text.
func setReadable(v reflect.Value, text string) (err error) {
	switch self := v.Addr().Interface().(type) {
	case *time.Time:
		*self, err = time.Parse(time.RFC3339Nano, text)
	case *big.Int:
		if _, ok := self.SetString(text, 10); !ok {
			err = fmt.Errorf("%q is no number", text)
		}
	case *url.URL:
		var parsed *url.URL
		if parsed, err = url.Parse(text); err == nil {
			*self = *parsed
		}
	case *netip.Addr:
		*self, err = netip.ParseAddr(text)
	case *Enc:
		self.s = text
	case *Bin:
		self.s = text
	default:
		err = fmt.Errorf("%s cannot be read from a text", v.Type())
	}
	return err
}

// cut takes off what our own types put in front of their text.
func cut(text *string, prefix string, data []byte) error {
	rest, found := bytes.CutPrefix(data, []byte(prefix))
	if !found {
		return fmt.Errorf("not the form of this type")
	}
	*text = string(rest)
	return nil
}
