package v1_test

import (
	"encoding/json"
	"math/big"
	"testing"

	v1 "hawser/api/v1"
)

// TestBigIntSurvivesAPIServer: what NewBigInt makes equals what comes back after
// the server has read and written it as the number type it keeps.
func TestBigIntSurvivesAPIServer(t *testing.T) {
	for _, digits := range []string{"0", "1", "9223372036854775807", "9223372036854775808", "18446744073709551614", "1208925819614629174706176", "340282366920938463463374607431768211455"} {
		n, _ := new(big.Int).SetString(digits, 10)
		want := v1.NewBigInt(n)
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		// Beyond 64 bits the API server keeps a float64.
		kept := string(text)
		if !n.IsInt64() {
			var f float64
			if err := json.Unmarshal(text, &f); err != nil {
				t.Fatal(err)
			}
			again, _ := json.Marshal(f)
			kept = string(again)
		}
		var got v1.BigInt
		if err := json.Unmarshal([]byte(kept), &got); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%s was written as %s and came back as %s", digits, text, got)
		}
	}
}

func TestBigIntReads(t *testing.T) {
	cases := []struct{ text, want string }{
		{"42", "42"}, {"4.2e1", "42"}, {"1e21", "1000000000000000000000"}, {"null", "0"}, {"-7", "-7"},
		{"4.2", "error"}, {`"42"`, "error"}, {"1e999", "error"}, {"{}", "error"},
	}
	for _, c := range cases {
		var n v1.BigInt
		got := "error"
		if err := json.Unmarshal([]byte(c.text), &n); err == nil {
			got = n.String()
		}
		if got != c.want {
			t.Errorf("%s is read as %s, not %s", c.text, got, c.want)
		}
	}
}

func TestBigIntZero(t *testing.T) {
	var none v1.BigInt
	if none.String() != "0" || v1.NewBigInt(nil) != "0" || none.Int().Sign() != 0 {
		t.Error("nothing is not 0")
	}
	if text, err := json.Marshal(none); err != nil || string(text) != "0" {
		t.Errorf("nothing is written as %s (%v)", text, err)
	}
}
