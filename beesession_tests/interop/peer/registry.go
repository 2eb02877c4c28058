package main

import (
	"encoding/gob"
	"encoding/json"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"time"

	"beesession/beego-peer/models"
)

// named holds the types that have a name, by Go's own spelling of it.
var named = map[string]reflect.Type{}

func init() {
	for _, value := range []any{
		false, int(0), int8(0), int16(0), int32(0), int64(0), uint(0), uint8(0), uint16(0), uint32(0), uint64(0),
		uintptr(0), float32(0), float64(0), complex64(0), complex128(0), "",
		time.Time{}, time.Duration(0), big.Int{}, url.URL{}, net.IP{}, netip.Addr{}, json.Number(""), json.RawMessage{},
		models.User{}, models.Account{}, models.Role(""),
		Point{}, PtrPoint{}, Rect{}, Circle{}, Tree{}, Forest{}, Celsius(0), Color(""), Small(0), IntList{}, StrMap{},
		Embedded{}, Holder{}, Many{}, Deep{}, DeepA{}, DeepB{}, NoExported{}, Enc{}, Bin{}, Txt{},
	} {
		t := reflect.TypeOf(value)
		named[t.String()] = t
	}
	named["main.Shape"] = reflect.TypeFor[Shape]()
	named["any"] = reflect.TypeFor[any]()
	named["byte"], named["rune"] = named["uint8"], named["int32"]
}

// registerNamed registers what an application would register when it starts.
func registerNamed() {
	for _, value := range []any{
		time.Time{}, time.Duration(0), &big.Int{}, &url.URL{}, net.IP{}, netip.Addr{}, json.Number(""), json.RawMessage{},
		models.User{}, &models.Account{}, models.Role(""),
		Point{}, &PtrPoint{}, Rect{}, &Circle{}, Tree{}, Celsius(0), Color(""), Small(0), IntList{}, StrMap{},
		Embedded{}, Holder{}, Many{}, Deep{}, Enc{}, Bin{}, Txt{},
		map[string]int{}, map[string][]string{}, []map[string]any{}, [][]int{}, [3]int{}, [2]string{}, []Point{}, []*Point{},
		struct{}{},
	} {
		gob.Register(value)
	}
	gob.RegisterName("app/custom", DeepB{})
}

// register makes a type known to gob, so that a value of it may travel in an interface. To do it twice is no error.
func register(t reflect.Type) (err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("register %s: %v", t, panicked)
		}
	}()
	gob.Register(reflect.Zero(t).Interface())
	return nil
}

// registerComposed registers a type without a name. One with a name is registered by the application, or is not.
func registerComposed(t reflect.Type) error {
	switch t.Kind() {
	case reflect.Slice, reflect.Array, reflect.Map, reflect.Struct:
		if t.Name() == "" {
			return register(t)
		}
	}
	return nil
}
