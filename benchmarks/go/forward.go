package main

import (
	"net"
	"time"
)

const (
	pieceBytes = 64 * 1024
	// The pieces of one direction that may be under way. They are no limit of bandwidth: 1024 in 20 ms are 3 GB/s.
	piecesUnderWay = 1024
)

// forward accepts connections on one port of 127.0.0.1 and delivers their bytes to another, each direction late by
// delay. Later bytes do not wait for earlier ones to arrive, as on a long line.
func forward(listeningPort, port string, delay time.Duration) error {
	listener, err := net.Listen("tcp", "127.0.0.1:"+listeningPort)
	if err != nil {
		return err
	}
	for {
		near, err := listener.Accept()
		if err != nil {
			return err
		}
		far, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err != nil {
			near.Close()
			continue
		}
		go carry(near, far, delay)
		go carry(far, near, delay)
	}
}

type piece struct {
	data []byte
	due  time.Time
}

func carry(from, to net.Conn, delay time.Duration) {
	pieces := make(chan piece, piecesUnderWay)
	go deliver(pieces, to)
	for {
		buffer := make([]byte, pieceBytes)
		size, err := from.Read(buffer)
		if size > 0 {
			pieces <- piece{buffer[:size], time.Now().Add(delay)}
		}
		if err != nil {
			close(pieces)
			return
		}
	}
}

func deliver(pieces <-chan piece, to net.Conn) {
	defer to.Close()
	for one := range pieces {
		time.Sleep(time.Until(one.due))
		if _, err := to.Write(one.data); err != nil {
			for range pieces { // let the reader come to its end
			}
			return
		}
	}
}
