export declare const otherNode: string
