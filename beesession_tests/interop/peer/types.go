package main

import "time"

// The types that the vectors hold, by the names that they have there.

type Point struct{ X, Y int }

// PtrPoint is kept as *PtrPoint only: gob registers a type or the pointer to it, never both.
type PtrPoint struct{ X, Y int }

// Shape is an interface with methods.
type Shape interface{ Area() float64 }

type Rect struct{ W, H float64 }

func (r Rect) Area() float64 { return r.W * r.H }

type Circle struct{ R float64 }

func (c *Circle) Area() float64 { return 3 * c.R * c.R }

type Tree struct {
	V           int
	Left, Right *Tree
}

// Forest is not registered.
type Forest struct {
	Name     string
	Children []Forest
}

type (
	Celsius float64
	Color   string
	Small   uint8
	IntList []int
	StrMap  map[string]string
)

type Embedded struct {
	Point
	Label string
}

type Holder struct {
	S   Shape
	Any interface{}
}

type Many struct {
	B    bool
	I    int
	I8   int8
	I16  int16
	I32  int32
	I64  int64
	U    uint
	U8   uint8
	U16  uint16
	U32  uint32
	U64  uint64
	F32  float32
	F64  float64
	C64  complex64
	C128 complex128
	S    string
	Bs   []byte
	Is   []int
	Arr  [3]int
	M    map[string]int
	P    *int
	PP   **string
	Pt   Point
	PPt  *Point
	Any  interface{}
	T    time.Time
}

type Deep struct{ A DeepA }

type DeepA struct {
	B DeepB
	L []DeepB
}

// DeepB is registered under a name of the application's choice.
type DeepB struct{ M map[string][]Point }

// NoExported has nothing that gob could send.
type NoExported struct{ hidden int }

// Enc encodes itself by gob's own interface.
type Enc struct{ s string }

func (e Enc) GobEncode() ([]byte, error) { return []byte("enc:" + e.s), nil }
func (e *Enc) GobDecode(b []byte) error  { return cut(&e.s, "enc:", b) }

// Bin encodes itself by encoding.BinaryMarshaler.
type Bin struct{ s string }

func (b Bin) MarshalBinary() ([]byte, error)     { return []byte("bin:" + b.s), nil }
func (b *Bin) UnmarshalBinary(data []byte) error { return cut(&b.s, "bin:", data) }

// Txt encodes itself as text, which gob takes no notice of.
type Txt struct{ S string }

func (t Txt) MarshalText() ([]byte, error)     { return []byte("txt:" + t.S), nil }
func (t *Txt) UnmarshalText(data []byte) error { return cut(&t.S, "txt:", data) }
