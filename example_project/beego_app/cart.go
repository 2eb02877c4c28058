package main

import "fmt"

// goods is what is on sale, as in example_project/cart.py.
var goods = []good{
	{"acacia", "Acacia honey", 650},
	{"candle", "Beeswax candle", 420},
	{"seeds", "Meadow seeds", 295},
}

type good struct {
	Slug, Name string
	Pence      int
}

func (g good) Price() string { return pounds(g.Pence) }

// row is a good as the page shows it.
type row struct {
	good
	Quantity int
}

// A cart is what Python's list of dicts is in Go: a []any of map[string]any.

// addTo returns the cart with one more of a good.
func addTo(cart []any, slug string) []any {
	for _, each := range cart {
		line, _ := each.(map[string]any)
		if line["good"] == slug {
			quantity, _ := line["quantity"].(int)
			line["quantity"] = quantity + 1
			return cart
		}
	}
	return append(cart, map[string]any{"good": slug, "quantity": 1})
}

// rows returns each good with how many the cart holds, and what the cart costs.
func rows(cart []any) (found []row, total string) {
	quantities := map[any]int{}
	for _, each := range cart {
		line, _ := each.(map[string]any)
		quantities[line["good"]], _ = line["quantity"].(int)
	}
	sum := 0
	for _, each := range goods {
		found = append(found, row{each, quantities[each.Slug]})
		sum += each.Pence * quantities[each.Slug]
	}
	return found, pounds(sum)
}

func onSale(slug string) bool {
	for _, each := range goods {
		if each.Slug == slug {
			return true
		}
	}
	return false
}

func pounds(pence int) string { return fmt.Sprintf("£%d.%02d", pence/100, pence%100) }
