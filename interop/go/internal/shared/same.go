package shared

import (
	"math"
	"reflect"
)

// same tells whether two values are equal in type and content, all the way down. It differs from reflect.DeepEqual in
// what a store cannot keep apart: a nil slice or map equals an empty one, and NaN equals itself.
func same(one, other interface{}) bool {
	return sameValue(reflect.ValueOf(one), reflect.ValueOf(other))
}

func sameValue(one, other reflect.Value) bool {
	if !one.IsValid() || !other.IsValid() {
		return one.IsValid() == other.IsValid()
	}
	if one.Type() != other.Type() {
		return false
	}
	switch one.Kind() {
	case reflect.Float32, reflect.Float64:
		return sameFloat(one.Float(), other.Float())
	case reflect.Complex64, reflect.Complex128:
		a, b := one.Complex(), other.Complex()
		return sameFloat(real(a), real(b)) && sameFloat(imag(a), imag(b))
	case reflect.Interface:
		return sameValue(one.Elem(), other.Elem())
	case reflect.Pointer:
		return one.Pointer() == other.Pointer() || sameValue(one.Elem(), other.Elem())
	case reflect.Struct:
		for i := 0; i < one.NumField(); i++ {
			if !sameValue(one.Field(i), other.Field(i)) {
				return false
			}
		}
		return true
	case reflect.Array, reflect.Slice:
		if one.Len() != other.Len() {
			return false
		}
		for i := 0; i < one.Len(); i++ {
			if !sameValue(one.Index(i), other.Index(i)) {
				return false
			}
		}
		return true
	case reflect.Map:
		return sameMap(one, other)
	case reflect.Bool:
		return one.Bool() == other.Bool()
	case reflect.String:
		return one.String() == other.String()
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return one.Int() == other.Int()
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return one.Uint() == other.Uint()
	default:
		return false // a function or a channel, which cannot be stored
	}
}

func sameMap(one, other reflect.Value) bool {
	if one.Len() != other.Len() {
		return false
	}
	for entries := one.MapRange(); entries.Next(); {
		value := other.MapIndex(entries.Key())
		if !value.IsValid() || !sameValue(entries.Value(), value) {
			return false
		}
	}
	return true
}

func sameFloat(one, other float64) bool {
	return one == other || (math.IsNaN(one) && math.IsNaN(other))
}

// isPlain tells whether a value cannot be changed by whoever holds a copy of it.
func isPlain(value interface{}) bool {
	kind := reflect.ValueOf(value).Kind()
	return kind == reflect.Invalid || kind == reflect.String || (kind >= reflect.Bool && kind <= reflect.Complex128)
}
