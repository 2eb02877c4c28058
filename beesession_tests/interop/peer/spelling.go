package main

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// maxArray bounds the length of an array: its memory is taken at once.
const maxArray = 1 << 16

// typeOf returns the type that Go spells like this, such as map[string][]interface {}. It is made of the named types.
func typeOf(text string) (reflect.Type, error) {
	spelling := &spelling{rest: text}
	t, err := spelling.read()
	if err == nil && spelling.rest != "" {
		err = fmt.Errorf("unexpected %q", spelling.rest)
	}
	if err != nil {
		return nil, fmt.Errorf("type %q: %w", text, err)
	}
	return t, nil
}

// spelling is what has not been read yet of the spelling of a type.
type spelling struct{ rest string }

func (s *spelling) skips(prefix string) bool {
	rest, found := strings.CutPrefix(s.rest, prefix)
	s.rest = rest
	return found
}

func (s *spelling) expect(prefix string) error {
	if !s.skips(prefix) {
		return fmt.Errorf("%q expected at %q", prefix, s.rest)
	}
	return nil
}

// until takes what stands before the first of these characters, or all of it.
func (s *spelling) until(stops string) string {
	end := strings.IndexAny(s.rest, stops)
	if end < 0 {
		end = len(s.rest)
	}
	word := s.rest[:end]
	s.rest = s.rest[end:]
	return word
}

func (s *spelling) read() (reflect.Type, error) {
	switch {
	case s.skips("*"):
		return s.made(reflect.PointerTo)
	case s.skips("[]"):
		return s.made(reflect.SliceOf)
	case s.skips("["):
		return s.array()
	case s.skips("map["):
		return s.mapping()
	case s.skips("interface {}"), s.skips("interface{}"):
		return reflect.TypeFor[any](), nil
	case s.skips("struct {"):
		return s.structure()
	}
	word := s.until(" ;]}")
	t, known := named[word]
	if !known {
		return nil, fmt.Errorf("unknown name %q", word)
	}
	return t, nil
}

// made reads an element's type and returns what is made of it.
func (s *spelling) made(compose func(reflect.Type) reflect.Type) (reflect.Type, error) {
	element, err := s.read()
	if err != nil {
		return nil, err
	}
	return compose(element), nil
}

func (s *spelling) array() (reflect.Type, error) {
	length, err := strconv.Atoi(s.until("]"))
	if err != nil || length < 0 || length > maxArray {
		return nil, fmt.Errorf("no length of an array")
	}
	if err := s.expect("]"); err != nil {
		return nil, err
	}
	return s.made(func(element reflect.Type) reflect.Type { return reflect.ArrayOf(length, element) })
}

func (s *spelling) mapping() (reflect.Type, error) {
	key, err := s.read()
	if err != nil {
		return nil, err
	}
	if !key.Comparable() {
		return nil, fmt.Errorf("%s is no type of a key", key)
	}
	if err := s.expect("]"); err != nil {
		return nil, err
	}
	return s.made(func(element reflect.Type) reflect.Type { return reflect.MapOf(key, element) })
}

// structure reads a struct without a name, all of whose fields are exported: struct { A int; B string }.
func (s *spelling) structure() (reflect.Type, error) {
	var fields []reflect.StructField
	for !s.skips("}") && !s.skips(" }") {
		if len(fields) > 0 {
			if err := s.expect(";"); err != nil {
				return nil, err
			}
		}
		s.skips(" ")
		name := s.until(" ")
		if name == "" || name[0] < 'A' || name[0] > 'Z' {
			return nil, fmt.Errorf("%q is no exported field", name)
		}
		s.skips(" ")
		t, err := s.read()
		if err != nil {
			return nil, err
		}
		fields = append(fields, reflect.StructField{Name: name, Type: t})
	}
	return reflect.StructOf(fields), nil
}
