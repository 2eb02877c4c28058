package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
)

// fill sets a variable to what a node says. A variable of an interface type takes any type that the node names.
func fill(v reflect.Value, n *tagged) error {
	if n.Type == "nil" {
		v.SetZero()
		return nil
	}
	t, err := typeOf(n.Type)
	if err != nil {
		return err
	}
	if v.Kind() == reflect.Interface {
		if err := registerComposed(t); err != nil {
			return err
		}
		inner := reflect.New(t).Elem()
		if err := fill(inner, n); err != nil {
			return err
		}
		if !t.AssignableTo(v.Type()) {
			return fmt.Errorf("%s is no %s", t, v.Type())
		}
		v.Set(inner)
		return nil
	}
	if t != v.Type() {
		return fmt.Errorf("%s stands where %s belongs", t, v.Type())
	}
	if n.Nil {
		return nil
	}
	if err := fillKnown(v, n); err != nil {
		return fmt.Errorf("%s: %w", t, err)
	}
	return nil
}

// fillKnown sets a variable that has the node's type.
func fillKnown(v reflect.Value, n *tagged) error {
	if v.Kind() == reflect.Pointer {
		if n.Pointer == nil {
			return fmt.Errorf("a pointer without its target")
		}
		v.Set(reflect.New(v.Type().Elem()))
		return fill(v.Elem(), n.Pointer)
	}
	if n.GobBytes != nil {
		data, err := hex.DecodeString(*n.GobBytes)
		if err != nil {
			return err
		}
		return setPayload(v, data)
	}
	if _, encodes, _ := payload(v); encodes {
		text, err := n.text()
		if err != nil {
			return err
		}
		return setReadable(v, text)
	}
	return fillKind(v, n)
}

// fillKind sets a variable by the kind of its type.
func fillKind(v reflect.Value, n *tagged) error {
	switch v.Kind() {
	case reflect.Bool:
		return json.Unmarshal(n.Value, v.Addr().Interface())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return fillInt(v, n)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return fillUint(v, n)
	case reflect.Float32, reflect.Float64:
		f, err := n.float()
		v.SetFloat(f)
		return err
	case reflect.Complex64, reflect.Complex128:
		return fillComplex(v, n)
	case reflect.String:
		text, err := n.text()
		v.SetString(text)
		return err
	case reflect.Slice:
		if isBytes(v.Type()) {
			data, err := n.bytes()
			v.SetBytes(data)
			return err
		}
		return fillElements(v, n)
	case reflect.Array:
		return fillElements(v, n)
	case reflect.Map:
		return fillPairs(v, n)
	case reflect.Struct:
		return fillFields(v, n)
	}
	return fmt.Errorf("no such value can be made")
}

func fillInt(v reflect.Value, n *tagged) error {
	text, err := n.text()
	if err != nil {
		return err
	}
	number, err := strconv.ParseInt(text, 10, v.Type().Bits())
	v.SetInt(number)
	return err
}

func fillUint(v reflect.Value, n *tagged) error {
	text, err := n.text()
	if err != nil {
		return err
	}
	number, err := strconv.ParseUint(text, 10, v.Type().Bits())
	v.SetUint(number)
	return err
}

func fillComplex(v reflect.Value, n *tagged) error {
	re, err := floatOfBits(n.Real)
	if err != nil {
		return err
	}
	im, err := floatOfBits(n.Imag)
	v.SetComplex(complex(re, im))
	return err
}

func fillElements(v reflect.Value, n *tagged) error {
	var elements []tagged
	if err := json.Unmarshal(n.Value, &elements); err != nil {
		return err
	}
	if v.Kind() == reflect.Slice {
		v.Set(reflect.MakeSlice(v.Type(), len(elements), len(elements)))
	} else if v.Len() != len(elements) {
		return fmt.Errorf("%d elements", len(elements))
	}
	for i := range elements {
		if err := fill(v.Index(i), &elements[i]); err != nil {
			return err
		}
	}
	return nil
}

func fillPairs(v reflect.Value, n *tagged) error {
	var pairs [][]tagged
	if err := json.Unmarshal(n.Value, &pairs); err != nil {
		return err
	}
	v.Set(reflect.MakeMapWithSize(v.Type(), len(pairs)))
	for _, pair := range pairs {
		if len(pair) != 2 {
			return fmt.Errorf("a pair of %d", len(pair))
		}
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		if err := fill(key, &pair[0]); err != nil {
			return err
		}
		if err := fill(value, &pair[1]); err != nil {
			return err
		}
		v.SetMapIndex(key, value)
	}
	return nil
}

func fillFields(v reflect.Value, n *tagged) error {
	var fields [][]json.RawMessage
	if err := json.Unmarshal(n.Value, &fields); err != nil {
		return err
	}
	for _, field := range fields {
		if len(field) != 2 {
			return fmt.Errorf("a field of %d parts", len(field))
		}
		var name string
		if err := json.Unmarshal(field[0], &name); err != nil {
			return err
		}
		var value tagged
		if err := json.Unmarshal(field[1], &value); err != nil {
			return err
		}
		// An embedded struct lends its fields: those are not of this struct itself.
		found, ok := v.Type().FieldByName(name)
		if !ok || !found.IsExported() || len(found.Index) != 1 {
			return fmt.Errorf("no field %q", name)
		}
		if err := fill(v.FieldByIndex(found.Index), &value); err != nil {
			return err
		}
	}
	return nil
}

// text returns the string that a node has, in whichever form.
func (n *tagged) text() (text string, err error) {
	switch {
	case n.Repeated != nil:
		return n.repeated()
	case n.Hex != nil:
		data, err := n.bytes()
		return string(data), err
	}
	if n.Value == nil {
		return "", fmt.Errorf("no value")
	}
	err = json.Unmarshal(n.Value, &text)
	return text, err
}

func (n *tagged) repeated() (string, error) {
	if len(n.Repeated) == 2 {
		unit, isText := n.Repeated[0].(string)
		count, isNumber := n.Repeated[1].(float64)
		if isText && isNumber && count >= 0 {
			data, err := hex.DecodeString(unit)
			return strings.Repeat(string(data), int(count)), err
		}
	}
	return "", fmt.Errorf("rep is not [hex, count]")
}

func (n *tagged) bytes() ([]byte, error) {
	if n.Hex == nil {
		return nil, fmt.Errorf("no hex")
	}
	return hex.DecodeString(*n.Hex)
}

// float prefers the bits: a text cannot tell one NaN from another.
func (n *tagged) float() (float64, error) {
	if n.Bits != "" {
		return floatOfBits(n.Bits)
	}
	text, err := n.text()
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(text, 64)
}

func floatOfBits(text string) (float64, error) {
	bits, err := strconv.ParseUint(text, 16, 64)
	return math.Float64frombits(bits), err
}
