package org.hrvit;

/** Says which thing is wrong, what was expected and what to do, in the words of the library. */
public final class HrvitException extends Exception {
    private static final long serialVersionUID = 1;

    private final int status;

    /** Made by the C half: a code of {@code hrvit_status} and a sentence. */
    public HrvitException(int status, String message) {
        super(message);
        this.status = status;
    }

    /** The {@code hrvit_status} of hrvit.h. */
    public int status() {
        return status;
    }
}
