package main

import (
	"encoding/hex"
	"fmt"
	"math"
	"net"
	"reflect"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"
)

// node is a Go value in JSON. Its "t" is Go's spelling of the type; the rest depends on the kind of it:
//
//	bool                        v
//	integers                    v: the decimal digits, as text
//	floats                      bits: of the double, in hex; v: a text
//	complex                     re, im: such bits; v: two texts
//	string                      v; or hex, when it is not UTF-8; or rep: [hex, count], when it is long and repetitive
//	slices of bytes             hex
//	slices, arrays              v: a list of nodes
//	maps                        v: a list of pairs of nodes, in an order of their own
//	structs                     v: a list of [name, node], of the exported fields
//	pointers                    ptr: a node
//	types that encode themselves  gobbytes: their bytes, in hex; v: a text
//	nil slice, map or pointer   nil: true
//	nil interface               "t" is "nil"
type node = map[string]any

// describe returns the node of a value.
func describe(v reflect.Value) (node, error) {
	if !v.IsValid() {
		return node{"t": "nil"}, nil
	}
	if v.Kind() == reflect.Interface {
		return describe(v.Elem())
	}
	n := node{"t": v.Type().String()}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			n["nil"] = true
			return n, nil
		}
		target, err := describe(v.Elem())
		n["ptr"] = target
		return n, err
	}
	if data, encodes, err := payload(v); encodes {
		n["v"], n["gobbytes"] = readable(v), hex.EncodeToString(data)
		return n, err
	}
	if isNil(v) {
		n["nil"] = true
	}
	return n, describeKind(n, v)
}

func isNil(v reflect.Value) bool {
	return (v.Kind() == reflect.Slice || v.Kind() == reflect.Map) && v.IsNil()
}

// describeKind adds to a node what depends on the kind of the type.
func describeKind(n node, v reflect.Value) (err error) {
	switch v.Kind() {
	case reflect.Bool:
		n["v"] = v.Bool()
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n["v"] = strconv.FormatInt(v.Int(), 10)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		n["v"] = strconv.FormatUint(v.Uint(), 10)
	case reflect.Float32, reflect.Float64:
		n["v"], n["bits"] = floatText(v.Float()), floatBits(v.Float())
	case reflect.Complex64, reflect.Complex128:
		c := v.Complex()
		n["re"], n["im"] = floatBits(real(c)), floatBits(imag(c))
		n["v"] = []string{floatText(real(c)), floatText(imag(c))}
	case reflect.String:
		describeString(n, v.String())
	case reflect.Slice, reflect.Array:
		if isBytes(v.Type()) {
			n["hex"] = hex.EncodeToString(v.Bytes())
			if ip, ok := v.Interface().(net.IP); ok {
				n["v"] = ip.String()
			}
			return nil
		}
		n["v"], err = describeElements(v)
	case reflect.Map:
		n["v"], err = describePairs(v)
	case reflect.Struct:
		n["v"], err = describeFields(v)
	default:
		err = fmt.Errorf("%s cannot be described", v.Type())
	}
	return err
}

func floatBits(f float64) string { return fmt.Sprintf("%016x", math.Float64bits(f)) }
func floatText(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

func isBytes(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8
}

func describeString(n node, s string) {
	if len(s) > 4096 {
		for _, size := range []int{1, 2, 4} {
			if len(s)%size == 0 && strings.Repeat(s[:size], len(s)/size) == s {
				n["rep"] = []any{hex.EncodeToString([]byte(s[:size])), len(s) / size}
				return
			}
		}
	}
	if utf8.ValidString(s) {
		n["v"] = s
	} else {
		n["hex"] = hex.EncodeToString([]byte(s))
	}
}

func describeElements(v reflect.Value) ([]any, error) {
	elements := make([]any, v.Len())
	for i := range elements {
		element, err := describe(v.Index(i))
		if err != nil {
			return nil, err
		}
		elements[i] = element
	}
	return elements, nil
}

func describePairs(v reflect.Value) ([]any, error) {
	type pair struct {
		order string
		nodes []node
	}
	pairs := make([]pair, 0, v.Len())
	for entries := v.MapRange(); entries.Next(); {
		key, err := describe(entries.Key())
		if err != nil {
			return nil, err
		}
		value, err := describe(entries.Value())
		if err != nil {
			return nil, err
		}
		order := fmt.Sprintf("%T%v", entries.Key().Interface(), entries.Key())
		pairs = append(pairs, pair{order, []node{key, value}})
	}
	sort.Slice(pairs, func(i, j int) bool { return pairs[i].order < pairs[j].order })
	nodes := make([]any, len(pairs))
	for i, pair := range pairs {
		nodes[i] = pair.nodes
	}
	return nodes, nil
}

func describeFields(v reflect.Value) ([]any, error) {
	fields := []any{}
	for i := range v.NumField() {
		if field := v.Type().Field(i); field.IsExported() {
			value, err := describe(v.Field(i))
			if err != nil {
				return nil, err
			}
			fields = append(fields, []any{field.Name, value})
		}
	}
	return fields, nil
}
