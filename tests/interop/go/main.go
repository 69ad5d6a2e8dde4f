package main

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// vectors is what a reader and a writer need of padding.json, sealing.json and opening.json.
type vectors struct {
	Padme    []struct{ Length, Padded uint64 }
	Sealed   []vector
	Blob     string
	Password string
	UserID   string `json:"user_id"`
	Flipped  []struct {
		First, Last int
		Xor         byte
		Error       string
	}
	Damaged []struct {
		Name, Password, Blob, Error string
		UserID                      string `json:"user_id"`
	}
}

type vector struct {
	Name, Password, Salt, Nonce, Payload, Root, Key, Commitment, Header, Blob string
	Normalized                                                                string `json:"password_normalized"`
	MemoryKiB                                                                 uint32 `json:"memory_kib"`
	Passes                                                                    uint32
	Lanes                                                                     uint8
	UserID                                                                    string `json:"user_id"`
	SHA256                                                                    string `json:"blob_sha256"`
	RepeatedByte                                                              string `json:"payload_repeated_byte"`
	PayloadBytes                                                              int    `json:"payload_bytes"`
	PlaintextBytes                                                            uint64 `json:"plaintext_bytes"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run takes `check FOLDER`, or `seal USER` and `open USER` with hexadecimal on standard input: a password, then the rest.
func run(arguments []string) error {
	switch {
	case len(arguments) == 2 && arguments[0] == "check":
		return check(arguments[1])
	case len(arguments) == 2 && (arguments[0] == "seal" || arguments[0] == "open"):
		input, err := io.ReadAll(os.Stdin)
		if err != nil {
			return err
		}
		lines := strings.Fields(string(input))
		password, content, user := normalize(string(unhex(lines[0]))), unhex(lines[1]), userBytes(arguments[1])
		output, err := open(content, password, user)
		if arguments[0] == "seal" {
			random := make([]byte, 28)
			if _, err := rand.Read(random); err != nil {
				return err
			}
			output, err = seal(pad(content), password, parameters{64 * 1024, 3, 1}, random[:16], random[16:], user)
		}
		if err != nil {
			return err
		}
		fmt.Println(hex.EncodeToString(output))
		return nil
	}
	return fmt.Errorf("usage: check FOLDER | seal USER | open USER")
}

func check(folder string) error {
	var all vectors
	for _, name := range []string{"padding.json", "sealing.json", "opening.json"} {
		data, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return err
		}
		if err := json.Unmarshal(data, &all); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	for _, step := range all.Padme {
		if got := padme(step.Length); got != step.Padded {
			return fmt.Errorf("padme %d: %d", step.Length, got)
		}
	}
	for _, one := range all.Sealed {
		if err := one.check(); err != nil {
			return fmt.Errorf("%s: %w", one.Name, err)
		}
	}
	flipped := 0
	for _, change := range all.Flipped {
		for at := change.First; at <= change.Last; at++ {
			altered := unhex(all.Blob)
			altered[at] ^= change.Xor
			_, err := open(altered, normalize(all.Password), userBytes(all.UserID))
			if err == nil || err.Error() != change.Error {
				return fmt.Errorf("byte %d altered: %v, not %s", at, err, change.Error)
			}
			flipped++
		}
	}
	for _, one := range all.Damaged {
		_, err := open(unhex(one.Blob), normalize(one.Password), userBytes(one.UserID))
		if err == nil || err.Error() != one.Error {
			return fmt.Errorf("%s: %v, not %s", one.Name, err, one.Error)
		}
	}
	fmt.Printf("%d sealed, %d altered, %d damaged\n", len(all.Sealed), flipped, len(all.Damaged))
	return nil
}

func (v vector) check() error {
	password, user := normalize(v.Password), userBytes(v.UserID)
	if hex.EncodeToString(password) != v.Normalized {
		return fmt.Errorf("the password is normalized to %x", password)
	}
	p := parameters{v.MemoryKiB, v.Passes, v.Lanes}
	wanted := unhex(v.Payload)
	if v.RepeatedByte != "" {
		wanted = bytes.Repeat(unhex(v.RepeatedByte), v.PayloadBytes)
	}
	blob, err := seal(padTo(v.PlaintextBytes, wanted), password, p, unhex(v.Salt), unhex(v.Nonce), user)
	if err != nil {
		return err
	}
	if header := hex.EncodeToString(blob[:headerBytes]); header != v.Header {
		return fmt.Errorf("the header is %s", header)
	}
	if sum := sha256.Sum256(blob); hex.EncodeToString(sum[:]) != v.SHA256 {
		return fmt.Errorf("the blob's digest is %x", sum)
	}
	payload, err := open(blob, password, user)
	if err != nil || !bytes.Equal(payload, wanted) {
		return fmt.Errorf("opened to %x, %v", payload, err)
	}
	return nil
}

func normalize(password string) []byte {
	mapped := strings.Map(func(point rune) rune {
		switch {
		case point == 0xA0, point == 0x1680, point >= 0x2000 && point <= 0x200A, point == 0x202F, point == 0x205F, point == 0x3000:
			return ' '
		}
		return point
	}, password)
	return norm.NFC.Bytes([]byte(mapped))
}

func userBytes(id string) []byte { return unhex(strings.ReplaceAll(id, "-", "")) }

func unhex(text string) []byte {
	data, err := hex.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return data
}
