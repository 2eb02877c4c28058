package shared

import (
	"math"
	"math/rand"
	"reflect"
	"testing"

	"beesession/interop/go"
)

func loginAs(user string) Values {
	return Values{login[0]: user, login[1]: "backend", login[2]: "hash of " + user}
}

func with(values Values, more Values) Values {
	made := Values{}
	for _, each := range []Values{values, more} {
		for key, value := range each {
			made[key] = value
		}
	}
	return made
}

func TestMerge(t *testing.T) {
	base := Values{"a": 1, "b": 1, "c": 1}
	for name, each := range map[string]struct {
		base, own, theirs, wanted Values
		cleared                   bool
	}{
		"different keys":                {base, Values{"a": 2, "b": 1, "c": 1}, Values{"a": 1, "b": 2, "c": 1}, Values{"a": 2, "b": 2, "c": 1}, false},
		"the same key":                  {base, Values{"a": 2, "b": 1, "c": 1}, Values{"a": 3, "b": 1, "c": 1}, Values{"a": 2, "b": 1, "c": 1}, false},
		"both delete":                   {base, Values{"b": 1, "c": 1}, Values{"a": 1, "c": 1}, Values{"c": 1}, false},
		"one deletes, one changes":      {base, Values{"b": 1, "c": 1}, Values{"a": 2, "b": 1, "c": 1}, Values{"b": 1, "c": 1}, false},
		"one changes, one deletes":      {base, Values{"a": 2, "b": 1, "c": 1}, Values{"b": 1, "c": 1}, Values{"a": 2, "b": 1, "c": 1}, false},
		"a flush":                       {base, Values{"d": 1}, with(base, Values{"e": 1}), Values{"d": 1}, true},
		"a type that changed":           {base, Values{"a": int64(1), "b": 1, "c": 1}, base, Values{"a": int64(1), "b": 1, "c": 1}, false},
		"keys of other types":           {Values{}, Values{1: "int"}, Values{int64(1): "int64", "1": "string"}, Values{1: "int", int64(1): "int64", "1": "string"}, false},
		"a login beside a change":       {base, with(base, loginAs("1")), with(base, Values{"a": 2}), with(with(base, Values{"a": 2}), loginAs("1")), false},
		"a change beside a login":       {base, with(base, Values{"a": 2}), with(base, loginAs("1")), with(with(base, Values{"a": 2}), loginAs("1")), false},
		"the same login twice":          {base, with(base, loginAs("1")), with(base, loginAs("1")), with(base, loginAs("1")), false},
		"a logout beside a change":      {loginAs("1"), Values{}, with(loginAs("1"), Values{"a": 2}), Values{"a": 2}, false},
		"another login beside a change": {loginAs("1"), loginAs("2"), with(loginAs("1"), Values{"a": 2}), with(loginAs("2"), Values{"a": 2}), false},
	} {
		found, err := merge(each.base, diff(each.base, each.own, each.cleared), each.theirs)
		if err != nil || !reflect.DeepEqual(found, each.wanted) {
			t.Errorf("%s: %v, %v", name, found, err)
		}
	}
	for name, each := range map[string]struct{ base, own, theirs Values }{
		"a change beside a logout":        {loginAs("1"), with(loginAs("1"), Values{"a": 1}), Values{}},
		"a change beside another login":   {loginAs("1"), with(loginAs("1"), Values{"a": 1}), loginAs("2")},
		"a login beside another one":      {Values{}, loginAs("1"), loginAs("2")},
		"a logout beside another login":   {loginAs("1"), Values{}, loginAs("2")},
		"a hash that another one changed": {loginAs("1"), with(loginAs("1"), Values{"a": 1}), with(loginAs("1"), Values{login[2]: "new"})},
	} {
		if found, err := merge(each.base, diff(each.base, each.own, false), each.theirs); err != beesession.ErrLoginChanged {
			t.Errorf("%s: %v, %v", name, found, err)
		}
	}
}

func TestNoMergeMixesTwoLogins(t *testing.T) {
	states := []Values{{}, loginAs("1"), loginAs("2"), with(loginAs("1"), Values{login[2]: "new"})}
	draw := func() Values { return with(states[rand.Intn(len(states))], Values{"n": rand.Intn(3)}) }
	for i := 0; i < 10_000; i++ {
		base, own, theirs := draw(), draw(), draw()
		merged, err := merge(base, diff(base, own, rand.Intn(4) == 0), theirs)
		if err != nil {
			continue
		}
		whole := false
		for _, state := range states {
			whole = whole || reflect.DeepEqual(loginOf(merged), loginOf(state))
		}
		if !whole {
			t.Fatalf("%v + %v over %v became %v", own, theirs, base, merged)
		}
	}
}

func TestSame(t *testing.T) {
	number := 1
	for _, pair := range [][2]interface{}{
		{1, 1}, {"a", "a"}, {nil, nil}, {math.NaN(), math.NaN()}, {float32(1), float32(1)}, {complex(1, 2), complex(1, 2)},
		{[]int{}, []int(nil)}, {map[string]int{}, map[string]int(nil)}, {[]byte("a"), []byte("a")}, {&number, &number}, {uint8(1), uint8(1)},
		{[]interface{}{1, map[string]interface{}{"a": nil}}, []interface{}{1, map[string]interface{}{"a": nil}}}, {true, true},
		{struct{ a, B interface{} }{1, "b"}, struct{ a, B interface{} }{1, "b"}}, {[2]int{1, 2}, [2]int{1, 2}},
	} {
		if !same(pair[0], pair[1]) {
			t.Errorf("%#v differs from %#v", pair[0], pair[1])
		}
	}
	for _, pair := range [][2]interface{}{
		{1, 2}, {1, int64(1)}, {1, true}, {nil, 0}, {math.NaN(), 1.0}, {"a", "b"}, {[]int{1}, []int{2}}, {[]int{1}, []int{1, 2}}, {true, false},
		{map[string]int{"a": 1}, map[string]int{"b": 1}}, {map[string]int{"a": 1}, map[string]int{"a": 2}}, {uint8(1), uint8(2)},
		{map[string]int{}, map[string]int{"a": 2}}, {[]int{}, []string{}}, {make(chan int), make(chan int)}, {&number, (*int)(nil)},
		{struct{ a, B interface{} }{1, "b"}, struct{ a, B interface{} }{2, "b"}}, {complex(1, 2), complex(1, 3)},
	} {
		if same(pair[0], pair[1]) {
			t.Errorf("%#v is the same as %#v", pair[0], pair[1])
		}
	}
}
