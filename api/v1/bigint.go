package v1

import (
	"fmt"
	"math/big"
	"strconv"
)

// BigInt is a whole number of any size that JSON carries as a number: how many
// addresses are free in an IPv6 subnet does not fit 64 bits.
//
// It is kept as decimal digits, so that values are copied and compared as
// strings are. The API server keeps numbers beyond 64 bits as floating point;
// such a number is rounded here the same way at once. A value that was written
// is therefore equal to the one that is read back, and a status is not written
// again and again for a difference in the 17th digit.
//
// +kubebuilder:validation:Type=number
type BigInt string

// NewBigInt is n as the API server will keep it; nil is 0.
func NewBigInt(n *big.Int) BigInt {
	switch {
	case n == nil:
		return "0"
	case n.IsInt64():
		return BigInt(n.String())
	}
	rounded, _ := new(big.Float).SetInt(n).Float64()
	return fromFloat(rounded)
}

// Int is the number itself. The zero BigInt is 0.
func (b BigInt) Int() *big.Int {
	n, ok := new(big.Int).SetString(string(b), 10)
	if !ok {
		return new(big.Int)
	}
	return n
}

// String is the number in decimal digits.
func (b BigInt) String() string { return b.Int().String() }

// MarshalJSON writes the digits, as a JSON number.
func (b BigInt) MarshalJSON() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalJSON reads a JSON number without a fraction, in any notation.
// Like every JSON type it leaves the value alone for null.
func (b *BigInt) UnmarshalJSON(data []byte) error {
	text := string(data)
	if text == "null" {
		return nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		*b = BigInt(strconv.FormatInt(n, 10))
		return nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return fmt.Errorf("%s is not a number: %w", text, err)
	}
	if !big.NewFloat(f).IsInt() {
		return fmt.Errorf("%s is not a whole number", text)
	}
	*b = fromFloat(f)
	return nil
}

// fromFloat is a finite whole f.
func fromFloat(f float64) BigInt {
	n, _ := big.NewFloat(f).Int(nil)
	return BigInt(n.String())
}
