// Package main reads and writes sealed backups, written from docs/format.md alone and sharing no code with the client.
package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"math/bits"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/hkdf"
)

const (
	prefixBytes     = 42
	headerBytes     = 74
	tagBytes        = 16
	smallestPadded  = 4
	floorBytes      = 16384
	openMaxKiB      = 512 * 1024
	consentAboveKiB = 256 * 1024
	workMaxKiB      = 4 * 1024 * 1024
	argon2id        = 1
)

// The errors of a reader, by the names that docs/format.md gives them.
var (
	errNotABackup = errors.New("not-a-backup")
	errNewer      = errors.New("newer-format")
	errRefused    = errors.New("refused-parameters")
	errPassword   = errors.New("wrong-password")
	errDamaged    = errors.New("damaged")
)

type parameters struct {
	memoryKiB uint32
	passes    uint32
	lanes     uint8
}

func (p parameters) openable() bool {
	lanes, work := uint32(p.lanes), uint64(p.memoryKiB)*uint64(p.passes)
	return lanes >= 1 && lanes <= 4 && p.passes >= 1 && p.passes <= 16 &&
		p.memoryKiB >= 8*lanes && p.memoryKiB <= openMaxKiB && work <= workMaxKiB
}

func prefix(p parameters, salt, nonce []byte) []byte {
	header := append([]byte("OBK1"), argon2id)
	header = binary.BigEndian.AppendUint32(header, p.memoryKiB)
	header = binary.BigEndian.AppendUint32(header, p.passes)
	header = append(header, p.lanes)
	return append(append(header, salt...), nonce...)
}

func expand(root, prefix []byte) (key, commitment []byte, err error) {
	output := make([]byte, 64)
	info := append([]byte("obscura-backup v1"), prefix...)
	_, err = io.ReadFull(hkdf.Expand(sha256.New, root, info), output)
	return output[:32], output[32:], err
}

// padme rounds up so that at most the last bits of a length are told (Nikitin et al., "Reducing Metadata Leakage", 2019).
func padme(length uint64) uint64 {
	if length < 2 {
		return length
	}
	exponent := uint64(bits.Len64(length) - 1)
	mantissa := uint64(bits.Len64(exponent))
	mask := uint64(1)<<(exponent-mantissa) - 1
	return (length + mask) &^ mask
}

func pad(payload []byte) []byte {
	return padTo(max(floorBytes, padme(uint64(4+len(payload)))), payload)
}

func padTo(size uint64, payload []byte) []byte {
	padded := make([]byte, size)
	binary.BigEndian.PutUint32(padded, uint32(len(payload)))
	copy(padded[4:], payload)
	return padded
}

func unpad(padded []byte) ([]byte, error) {
	if len(padded) < smallestPadded {
		return nil, errDamaged
	}
	length := uint64(binary.BigEndian.Uint32(padded))
	if length > uint64(len(padded)-4) {
		return nil, errDamaged
	}
	if rest := padded[4+length:]; !bytes.Equal(rest, make([]byte, len(rest))) {
		return nil, errDamaged
	}
	return padded[4 : 4+length], nil
}

func gcm(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func seal(padded, password []byte, p parameters, salt, nonce, user []byte) ([]byte, error) {
	root := argon2.IDKey(password, salt, p.passes, p.memoryKiB, p.lanes, 32)
	header := prefix(p, salt, nonce)
	key, commitment, err := expand(root, header)
	if err != nil {
		return nil, err
	}
	header = append(header, commitment...)
	aead, err := gcm(key)
	if err != nil {
		return nil, err
	}
	associated := append(append([]byte{}, header...), user...)
	return append(header, aead.Seal(nil, nonce, padded, associated)...), nil
}

func open(blob, password, user []byte) ([]byte, error) {
	switch {
	case len(blob) < 4 || string(blob[:3]) != "OBK" || blob[3] < '0' || blob[3] > '9':
		return nil, errNotABackup
	case blob[3] != '1':
		return nil, errNewer
	case len(blob) < headerBytes+smallestPadded+tagBytes:
		return nil, errDamaged
	}
	p := parameters{binary.BigEndian.Uint32(blob[5:]), binary.BigEndian.Uint32(blob[9:]), blob[13]}
	if blob[4] != argon2id || !p.openable() || p.memoryKiB > consentAboveKiB {
		return nil, errRefused
	}
	root := argon2.IDKey(password, blob[14:30], p.passes, p.memoryKiB, p.lanes, 32)
	key, commitment, err := expand(root, blob[:prefixBytes])
	if err != nil {
		return nil, err
	}
	if !hmac.Equal(commitment, blob[prefixBytes:headerBytes]) {
		return nil, errPassword
	}
	aead, err := gcm(key)
	if err != nil {
		return nil, err
	}
	associated := append(append([]byte{}, blob[:headerBytes]...), user...)
	padded, err := aead.Open(nil, blob[30:prefixBytes], blob[headerBytes:], associated)
	if err != nil {
		return nil, errDamaged
	}
	return unpad(padded)
}
